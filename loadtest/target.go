package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 10 * time.Second
	httpTimeout  = 5 * time.Second
	// userHz is the unit of CPU times in /proc, fixed by the Linux ABI.
	userHz = 100
)

// target is the server under load: a child of ours, or one at --url.
type target struct {
	addr  string // host:port
	child *exec.Cmd
	lines io.ReadCloser
}

// newTarget starts this program again as a server with so many processors, 0 for all,
// or points at rawURL.
func newTarget(ctx context.Context, rawURL string, procs int, serverArgs []string) (*target, error) {
	if rawURL != "" {
		u, err := url.Parse(rawURL)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("--url: want http://host:port, got %q", rawURL)
		}
		return &target{addr: u.Host}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "WARN"}, serverArgs...)
	child := exec.CommandContext(ctx, self, args...)
	if procs > 0 {
		child.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", procs))
	}
	return startTarget(child)
}

// startTarget starts a server that says on a line where it listens.
func startTarget(child *exec.Cmd) (t *target, err error) {
	t = &target{child: child}
	t.child.Stderr = os.Stderr
	if t.lines, err = t.child.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := t.child.Start(); err != nil {
		return nil, err
	}
	if err := t.readAddr(); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *target) readAddr() error {
	got := make(chan string, 1)
	go func() {
		sc := bufio.NewScanner(t.lines)
		for sc.Scan() {
			if _, after, ok := strings.Cut(sc.Text(), "http://"); ok {
				got <- strings.Trim(after, "/ ")
				break
			}
		}
		close(got)
		io.Copy(io.Discard, t.lines)
	}()
	select {
	case addr, ok := <-got:
		if !ok {
			return errors.New("the server ended before it listened")
		}
		t.addr = addr
		return nil
	case <-time.After(startTimeout):
		return errors.New("the server did not listen in time")
	}
}

func (t *target) stop() {
	if t.child == nil {
		return
	}
	t.child.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { t.child.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(startTimeout):
		t.child.Process.Kill()
		<-done
	}
}

// metrics reads the server's counters; histogram buckets keep their label in
// the name, as Prometheus' text format writes them.
func (t *target) metrics() (map[string]float64, error) {
	c := http.Client{Timeout: httpTimeout}
	resp, err := c.Get("http://" + t.addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	m := map[string]float64{}
	sc := bufio.NewScanner(resp.Body)
	for sc.Scan() {
		line := sc.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
			m[line[:i]] = v
		}
	}
	return m, sc.Err()
}

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration
	rss int64 // bytes
}

// processUsage reads /proc; pid 0 is this process.
func processUsage(pid int) (usage, error) {
	dir := "/proc/self"
	if pid != 0 {
		dir = "/proc/" + strconv.Itoa(pid)
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	// The command's name may hold anything but ends with the last parenthesis.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 22 {
		return usage{}, errors.New("unexpected " + dir + "/stat")
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	sys, _ := strconv.ParseInt(f[12], 10, 64)
	pages, _ := strconv.ParseInt(f[21], 10, 64)
	return usage{
		cpu: time.Duration(user+sys) * time.Second / userHz,
		rss: pages * int64(os.Getpagesize()),
	}, nil
}

func (t *target) usage() (usage, error) {
	if t.child == nil {
		return usage{}, nil
	}
	return processUsage(t.child.Process.Pid)
}

// quantile interpolates in the difference of two readings of a Prometheus
// histogram. It returns the bucket's upper bound for the highest bucket.
func quantile(before, after map[string]float64, name string, q float64) float64 {
	type bucket struct{ le, n float64 }
	var list []bucket
	prefix := name + `_bucket{le="`
	for k, v := range after {
		if s, ok := strings.CutPrefix(k, prefix); ok {
			if le, err := strconv.ParseFloat(strings.TrimSuffix(s, `"}`), 64); err == nil {
				list = append(list, bucket{le, v - before[k]})
			}
		}
	}
	sortBy(list, func(b bucket) float64 { return b.le })
	if len(list) == 0 || list[len(list)-1].n == 0 {
		return 0
	}
	want := q * list[len(list)-1].n
	var lo, below float64
	for _, b := range list {
		if b.n >= want {
			if b.n == below || b.le > 1e9 {
				return lo
			}
			return lo + (b.le-lo)*(want-below)/(b.n-below)
		}
		lo, below = b.le, b.n
	}
	return lo
}
