package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/secure/securetest"
)

// secured is the configuration of a server that speaks TLS.
func secured(t *testing.T) (Config, securetest.Pair) {
	t.Helper()
	pair := securetest.New(t, t.TempDir(), "server")
	return Config{Loops: 2, TLSCert: pair.Cert, TLSKey: pair.Key}, pair
}

// The page, a player by the Go client, a stream and the metrics over one port.
func TestEverythingOverTLS(t *testing.T) {
	cfg, pair := secured(t)
	cfg.Pages = fstest.MapFS{"index.html": {Data: []byte("<title>a page</title>")}}
	l := run(t, cfg)
	if code, body := l.get("/"); code != http.StatusOK || !strings.Contains(body, "a page") {
		t.Errorf("the page: %d %q", code, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, l.url("ws", socketPath), client.Options{
		Config: client.Config{Kind: "walkers", Name: "ann"}, TLS: pair.Client(), Retries: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var room string
	eventually(t, "a first state", func() (ok bool) {
		c.View(func(core *client.Core) { _, ok = core.Tick(); room = core.Room() })
		return ok
	})
	r := l.watch(roomsPath + room + "/spectate")
	r.until("a state", func(e streamEvent) bool { return e.name == "key" })
	for range 5 {
		before := r.x["0"]
		if err := c.SendInput(func(in *client.InputBuilder) { in.Set("dx", 1) }); err != nil {
			t.Fatal(err)
		}
		r.until("the move", func(streamEvent) bool { return r.x["0"] > before })
	}
	_, text := l.get("/metrics")
	for _, want := range []string{`roomd_tls_handshakes_total{result="failed"} 0`, "roomd_tls_handshakes 0", "roomd_tls_certificate_expiry_timestamp_seconds "} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no line %q", want)
		}
	}
}

// More small messages than ticks, each a record of its own: none waits for a
// later tick than the next.
func TestManyRecordsATick(t *testing.T) {
	cfg, _ := secured(t)
	l := run(t, cfg)
	ann := l.join(client.Config{Kind: "walkers"})
	const inputs = 100
	for range inputs {
		ann.input(1)
	}
	begin := len(ann.ticks)
	ann.until("all inputs", func() bool { return ann.core.Ack() >= inputs })
	if n := len(ann.ticks) - begin; n > inputs/2 {
		t.Errorf("%d inputs took %d ticks", inputs, n)
	}
}

func TestPlainTextOnTheTLSPort(t *testing.T) {
	cfg, _ := secured(t)
	l := run(t, cfg)
	resp, err := http.Get("http://" + l.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "https://") {
		t.Errorf("%d %q", resp.StatusCode, b)
	}
}

// Players stay when the certificate changes, and the next ones see the new one.
func TestCertificateChangesWhileTheyPlay(t *testing.T) {
	cfg, pair := secured(t)
	l := run(t, cfg)
	ann := l.join(client.Config{Kind: "walkers", Room: "r"})
	dir := t.TempDir()
	next := securetest.New(t, dir, "next")
	for from, to := range map[string]string{next.Key: pair.Key, next.Cert: pair.Cert} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the new certificate is in use", func() bool {
		nc, err := tls.Dial("tcp", l.addr, next.Client())
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	ann.wantNoGap()
	l.tls = next.Client()
	l.join(client.Config{Kind: "walkers", Room: "r"}).wantEveryTick(2)
}

// A drain does not wait for those who never finish their handshake.
func TestDrainWithHalfOpenHandshakes(t *testing.T) {
	cfg, _ := secured(t)
	l := run(t, cfg)
	for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01", "GET", clientHello(t)} {
		nc, err := net.Dial("tcp", l.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	l.end()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the drain took %v", took)
	}
	eventually(t, "their places are free", func() bool { return l.held() == 0 })
}

func TestTLSFlags(t *testing.T) {
	pair := securetest.New(t, t.TempDir(), "flags")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert", pair.Cert}, "go together"},
		{[]string{"--tls-key", pair.Key}, "go together"},
		{[]string{"--tls-cert", pair.Key, "--tls-key", pair.Cert}, pair.Key},
		{[]string{"--tls-cert", "/nowhere.pem", "--tls-key", pair.Key}, "/nowhere.pem"},
		{[]string{"--acme-host", "a.test"}, "--acme-cache"},
		{[]string{"--acme-cache", t.TempDir()}, "--acme-host"},
		{[]string{"--acme-directory", "https://ca.test/"}, "--acme-host"},
		{[]string{"--acme-host", "a.test", "--acme-cache", t.TempDir(), "--tls-cert", pair.Cert, "--tls-key", pair.Key}, "use one of them"},
		{[]string{"--acme-host", "a.test,b", "--acme-cache", t.TempDir()}, `"b"`},
		{[]string{"--acme-host", "a.test", "--acme-cache", pair.Cert}, pair.Cert},
	} {
		var out, errs bytes.Buffer
		if code := Exec(Config{Kinds: []*game.Kind{walkers}}, c.args, &out, &errs); code != 1 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%v: exit code %d, %q", c.args, code, errs.String())
		}
	}
}

// The URL that the command prints is one that works.
func TestPrintedURLOverTLS(t *testing.T) {
	pair := securetest.New(t, t.TempDir(), "printed")
	p := startProcess(t, "walkers", "--tls-cert", pair.Cert, "--tls-key", pair.Key)
	if !strings.HasPrefix(p.url, "https://127.0.0.1:") {
		t.Fatalf("printed %q", p.url)
	}
	tr := &http.Transport{TLSClientConfig: pair.Client()}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get(p.url + "healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, _ := bufio.NewReader(resp.Body).ReadString('\n'); line != "ok\n" {
		t.Errorf("%s %q", resp.Status, line)
	}
	p.cmd.Process.Signal(os.Interrupt)
	if err := p.wait(t); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
}
