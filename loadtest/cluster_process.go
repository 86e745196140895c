package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// spawnTimeout is how long a process may take to listen: a node of a mesh that was
// killed waits for its own lease to end.
const spawnTimeout = 45 * time.Second

// endTimeout is how long a process that was asked to end may take.
const endTimeout = 15 * time.Second

// process is a child that says on its first line where it listens. What it prints
// besides goes to a file.
type process struct {
	name string
	cmd  *exec.Cmd
	addr string // host:port
	log  string
	done chan struct{}
}

// spawn starts argv and waits until it listens.
func spawn(dir, name string, argv ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = out
	// A group of its own: the terminal's Ctrl-C is for this program, which ends
	// its children in order, and they do not outlive it whatever happens.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	lines, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	first := make(chan string, 1)
	go func() {
		r := bufio.NewReader(lines)
		line, _ := r.ReadString('\n')
		first <- line
		io.Copy(out, r)
		p.cmd.Wait()
		out.Close()
		close(p.done)
	}()
	select {
	case line := <-first:
		if _, at, ok := strings.Cut(line, "://"); ok {
			p.addr = strings.Trim(at, "/ \n")
			return p, nil
		}
		err = errors.New("it ended before it listened")
	case <-time.After(spawnTimeout):
		err = errors.New("it does not listen in time")
	}
	p.kill()
	return nil, fmt.Errorf("%s: %w\n%s", name, err, p.tail())
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill is kill -9, also of a process that is stopped.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// end asks with SIGTERM, and kills what does not obey.
func (p *process) end() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(endTimeout):
		p.kill()
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.name, endTimeout)
	}
}

// tail is the end of the process's log.
func (p *process) tail() string {
	const most = 2 << 10
	b, err := os.ReadFile(p.log)
	if err != nil || len(b) == 0 {
		return ""
	}
	return fmt.Sprintf("--- %s\n%s", p.log, b[max(len(b)-most, 0):])
}

// freePort is a port of the loopback that nobody listens on now.
func freePort() (port int, err error) {
	const low, high = 20_000, 32_000 // no system gives these to outgoing connections by itself
	for range 100 {
		port = low + rand.IntN(high-low)
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			return port, ln.Close()
		}
	}
	return 0, err
}
