package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// Remote is how a NATS is reached. The zero value is one in this process.
type Remote struct {
	// Servers are the addresses of NATS, separated by commas. Those that are not on
	// this machine must be tls: or wss:, unless Insecure is set.
	Servers string
	// Credentials is a file with a user's JWT and key (nats.UserCredentials); empty
	// for none.
	Credentials string
	// CA is a file with the certificates that the servers' are checked against, in
	// place of the system's; Cert and Key are files that tell who this node is.
	CA, Cert, Key string
	// Insecure lets all that is said go over the network as it is.
	Insecure bool
}

// Check says what is wrong with it.
func (r *Remote) Check() error {
	if (r.Cert == "") != (r.Key == "") {
		return errors.New("cluster: a certificate for NATS needs its key, and a key its certificate")
	}
	if r.Servers == "" || r.Insecure {
		return nil
	}
	for at := range strings.SplitSeq(r.Servers, ",") {
		at = strings.TrimSpace(at)
		if !strings.Contains(at, "://") {
			at = "nats://" + at
		}
		u, err := url.Parse(at)
		if err != nil {
			return errors.New("cluster: this is no address of a NATS, as tls://nats1.example:4222") // it may hold a password
		}
		if u.Scheme != "tls" && u.Scheme != "wss" && !loopback(u.Hostname()) {
			return fmt.Errorf("cluster: %s://%s is not encrypted: use tls://%s, or --insecure if the network between is your own", u.Scheme, u.Host, u.Host)
		}
	}
	return nil
}

// loopback reports whether a host is this machine for sure.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// options are nats.go's for it.
func (r *Remote) options() (opts []nats.Option) {
	if r.Credentials != "" {
		opts = append(opts, nats.UserCredentials(r.Credentials))
	}
	if r.CA != "" {
		opts = append(opts, nats.RootCAs(r.CA))
	}
	if r.Cert != "" {
		opts = append(opts, nats.ClientCert(r.Cert, r.Key))
	}
	return opts
}

// splitAddress is the host and the port of an address to listen on.
func splitAddress(at string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(at)
	if err == nil {
		port, err = net.LookupPort("tcp", text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("cluster: %q is not HOST:PORT: %w", at, err)
	}
	return host, port, nil
}
