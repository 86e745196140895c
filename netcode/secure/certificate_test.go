package secure

import (
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/netcode/secure/securetest"
)

// name is who a certificate is for.
func name(c *tls.Certificate) string { return c.Leaf.Subject.CommonName }

// put replaces one file by another, as tools that renew certificates do.
func put(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// The files are looked at once a second; between the writes of the two, and while
// one is broken or gone, the pair from before is used. The times are made up.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	used, next := securetest.New(t, dir, "first"), securetest.New(t, dir, "second")
	var logs strings.Builder
	now := 100 * time.Second
	c, err := loadCertificate(used.Cert, used.Key, slog.New(slog.NewTextHandler(&logs, nil)), now)
	if err != nil {
		t.Fatal(err)
	}
	want := func(who string, reloads, failures uint64) {
		t.Helper()
		got := c.at(now)
		if name(got) != who || c.reloads.Load() != reloads || c.failures.Load() != failures {
			t.Fatalf("%s after %d reloads and %d failures; want %s, %d, %d", name(got), c.reloads.Load(), c.failures.Load(), who, reloads, failures)
		}
	}
	now += lookEvery
	want("first", 0, 0)

	put(t, next.Cert, used.Cert)
	want("first", 0, 0) // it was looked at just now
	now += lookEvery
	want("first", 0, 1) // the key does not fit yet
	now += lookEvery
	want("first", 0, 1) // one change is one failure
	put(t, next.Key, used.Key)
	now += lookEvery - 1
	want("first", 0, 1)
	now++
	want("second", 1, 1)

	if err := os.WriteFile(used.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	now += lookEvery
	want("second", 1, 2)
	if err := os.Remove(used.Cert); err != nil {
		t.Fatal(err)
	}
	now += lookEvery
	want("second", 1, 2) // it was broken already
	put(t, next.Cert, used.Cert)
	now += lookEvery
	want("second", 2, 2)
	if n := strings.Count(logs.String(), "cannot be read again"); n != 2 {
		t.Errorf("logged %d times:\n%s", n, &logs)
	}
}

func TestConfigIsChecked(t *testing.T) {
	p := securetest.New(t, t.TempDir(), "p")
	other := securetest.New(t, t.TempDir(), "other")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Cert: p.Cert, Take: closeIt}, "give both files"},
		{Config{Key: p.Key, Take: closeIt}, "give both files"},
		{Config{Cert: p.Cert, Key: p.Key}, "Take is missing"},
		{Config{Cert: p.Cert, Key: p.Key, Take: closeIt, Waiting: -1}, "negative"},
		{Config{Cert: p.Cert, Key: other.Key, Take: closeIt}, "does not match"},
		{Config{Cert: p.Cert, Key: "/nowhere", Take: closeIt}, "/nowhere"},
	} {
		if _, err := NewGate(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q in it", err, c.want)
		}
	}
}
