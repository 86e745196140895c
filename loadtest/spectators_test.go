package main

import (
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/roomd/roomd/loadtest/crowd"
)

// TestLoadSpectators runs the command as an operator does, with few readers.
func TestLoadSpectators(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "loadtest")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "spectators", "--readers", "100", "--many", "200", "--rounds", "1", "--duration", "1s", "--json")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var r spectatorsReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Wrong != 0 || r.States < 1000 || r.ReadersAtEnd != 200 || r.Goroutines > 20 {
		t.Errorf("%+v", r)
	}
	if r.EncodesPerEvent < 0.5 || r.EncodesPerEvent > 1.5 || r.Ratio <= 0 {
		t.Errorf("%+v", r)
	}
}

// A reader whose server ends, or that cannot be had, is an error.
func TestReadersLost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan net.Conn, 1)
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nevent: key\nid: 1\ndata: {}\n\n")
			served <- c
		}
	}()
	c := newCrowdOfReaders()
	defer c.stop()
	if err := c.connect(t.Context(), ln.Addr().String(), 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.failure(); err != nil {
		t.Fatal(err)
	}
	(<-served).Close()
	for c.alive() > 0 {
		runtime.Gosched()
	}
	if err := c.failure(); err == nil || !strings.Contains(err.Error(), "1 of 1 readers") {
		t.Errorf("the server ended: %v", err)
	}
	other := newCrowdOfReaders()
	defer other.stop()
	if err := other.connect(t.Context(), "no address", 1, 0); err == nil {
		t.Error("a reader without a server")
	}
}

// A run that found wrong states fails.
func TestSpectatorsBroken(t *testing.T) {
	if err := (&spectatorsReport{States: 10}).broken(); err != nil {
		t.Error(err)
	}
	if err := (&spectatorsReport{States: 10, Wrong: 1}).broken(); err == nil {
		t.Error("a wrong state is none")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{[]float64{7}, 7}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{8, 1, 4, 2}, 3}} {
		if got := medianOf(c.list); got != c.want {
			t.Errorf("the median of %v is %v, want %v", c.list, got, c.want)
		}
	}
}

// The figures are medians of the rounds, not those of the last one.
func TestSpectatorsCompare(t *testing.T) {
	round := func(v float64) cost {
		return cost{usPerMessage: v, cpuPct: 10 * v, bytesPerMessage: 100 * v, messages: 5}
	}
	var r spectatorsReport
	r.compare([]cost{round(2), round(1), round(9)}, []cost{round(4), round(4), round(3)})
	want := spectatorsReport{
		UsPerMessage: 2, BaselineUsPerMessage: 4, Ratio: 0.5, CPUPct: 20, BaselineCPUPct: 40, BytesPerMessage: 200, Messages: 15,
	}
	if r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
}

// The time of a child is told, little as it is, and that of one that has ended is an
// error.
func TestChildCPU(t *testing.T) {
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	d := &target{child: child}
	for { // the kernel adds up when a child waits, or at its next tick
		cpu, err := d.cpu()
		if err != nil {
			t.Fatal(err)
		}
		if cpu > 0 {
			break
		}
		runtime.Gosched()
	}
	in.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	if cpu, err := d.cpu(); err == nil {
		t.Errorf("a child that has ended had %v", cpu)
	}
}

// Entities that the room would not have are refused, not left out.
func TestSpectatorsWalkers(t *testing.T) {
	for _, n := range []int{-1, crowd.MaxPlayers + 1} {
		c := &spectatorsCmd{Readers: 1, Many: 1, Walkers: n, Duration: 1, Rounds: 1}
		if err := c.Run(); err == nil || !strings.Contains(err.Error(), "walkers") {
			t.Errorf("%d walkers: %v", n, err)
		}
	}
}
