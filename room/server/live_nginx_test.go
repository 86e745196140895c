package server

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/client"
)

// behindNginx is the server as seen through an nginx with default settings, which
// asks by HTTP/1.0, keeps answers back in buffers and passes no upgrade on. It
// skips the test where there is no nginx.
func (l *live) behindNginx() *live {
	l.t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		bin, err = exec.LookPath("/usr/sbin/nginx") // not on the path of everybody
	}
	if err != nil {
		l.t.Skip("nginx is not installed")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	seen := *l
	seen.addr = ln.Addr().String()
	ln.Close()
	conf, err := os.ReadFile("testdata/nginx.conf")
	if err != nil {
		l.t.Fatal(err)
	}
	dir := l.t.TempDir()
	text := strings.NewReplacer("LISTEN", seen.addr, "UPSTREAM", l.addr).Replace(string(conf))
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	cmd.Stderr = l.logs
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	eventually(l.t, "nginx answers", func() bool {
		resp, err := http.Get("http://" + seen.addr + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return &seen
}

// watched is the number of readers over HTTP.
func (l *live) watched() (n int) {
	for _, r := range l.loopStatsNow(l.t.Context()) {
		for _, k := range r.readers {
			n += k
		}
	}
	return n
}

// Each move is shown before the next is made: a proxy that keeps events back
// until its buffer is full would show none.
func TestStreamsFlowThroughNginx(t *testing.T) {
	l := run(t, Config{})
	outside := l.behindNginx()
	ann := l.join(client.Config{Kind: "walkers"})
	for _, accept := range []string{"identity", "gzip"} {
		t.Run(accept, func(t *testing.T) {
			r := outside.watch(roomsPath+ann.core.Room()+"/spectate", "Accept-Encoding", accept)
			if got := r.resp.Header.Get("Content-Encoding"); accept == "gzip" && got != accept {
				t.Errorf("encoded as %q", got)
			}
			r.until("a state", func(e streamEvent) bool { return e.name == "key" })
			for range 5 {
				before := r.x["0"]
				ann.input(1)
				r.until("the move", func(streamEvent) bool { return r.x["0"] == before+1 })
			}
			r.resp.Body.Close()
			eventually(t, "the close is noticed", func() bool { return l.watched() == 0 })
		})
	}
}

func TestPollsWaitThroughNginx(t *testing.T) {
	l := run(t, Config{})
	outside := l.behindNginx()
	ann := l.join(client.Config{Kind: "walkers"})
	path := roomsPath + ann.core.Room() + "/poll?wait=20&cursor="
	cursor := ""
	for range 5 { // each cursor names what is newest: the answer waits for what follows it
		code, body := outside.get(path + cursor)
		var a struct{ Cursor string }
		if err := json.Unmarshal([]byte(body), &a); err != nil || code != http.StatusOK || a.Cursor == cursor {
			t.Fatalf("%d %s, %v", code, body, err)
		}
		cursor = a.Cursor
	}
	if code, body := outside.get(path + "1-1x"); code != http.StatusBadRequest || !strings.Contains(body, "bad_request") {
		t.Errorf("%d %s", code, body)
	}
	bob := outside.call(client.Config{Kind: "walkers"})
	bob.rest(l.links.get(bob.id))
	begin := time.Now()
	if r := bob.poll(1); r.status != http.StatusNoContent || time.Since(begin) < 900*time.Millisecond {
		t.Errorf("%d after %v", r.status, time.Since(begin))
	}
}

func TestPlaysThroughNginx(t *testing.T) {
	l := run(t, Config{})
	outside := l.behindNginx()
	bob := outside.call(client.Config{Kind: "walkers"})
	for want := 1; want <= 5; want++ {
		bob.take(bob.post(bob.input(1)))
		bob.until("a move by polls", func() bool { return bob.x() == want })
	}
	// Each input is sent when the move before was seen on the stream.
	bob.post(bob.input(1))
	sent := 6
	if bob.open(func() bool {
		if bob.x() == sent && sent < 10 {
			sent++
			bob.seq++
			bob.do(http.MethodPost, bob.at("?seq=%d&after=%d", bob.seq, bob.has), bob.input(1))
		}
		return bob.x() == 10
	}) {
		t.Error("the stream ended")
	}
	eventually(t, "the close is noticed", func() bool { return l.count.reads[streamReader].Load() == 0 })
	// What such a proxy makes of an upgrade is why there are sessions over HTTP.
	req, _ := http.NewRequest(http.MethodGet, "http://"+outside.addr+socketPath, nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode < 400 {
		t.Errorf("an upgrade is answered %d", resp.StatusCode)
	}
}
