package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Names in NATS. State is a key-value bucket of leases and records, which change by
// compare-and-set only; Checkpoints is one of rooms' states, by room and term.
const (
	stateBucket      = "ROOMD_STATE"
	checkpointBucket = "ROOMD_CHECKPOINTS"
	subjectPrefix    = "roomd."
	opHeader         = "KV-Operation" // as nats.go's key-value layer has it
)

// store is the authority: JetStream's streams, each key with its own sequence of
// revisions, read and written below the key-value layer, which does not tell the
// revision of a deletion. Any goroutine may use it.
type store struct {
	js          jetstream.JetStream
	state       jetstream.KeyValue
	stream      jetstream.Stream
	checkpoints jetstream.KeyValue
}

// openStore makes the buckets where they are missing.
func openStore(ctx context.Context, nc *nats.Conn, replicas int) (*store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	s := &store{js: js}
	s.state, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: stateBucket, Description: "roomd: leases of nodes, owners of rooms", History: 1,
		Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return nil, explain(err)
	}
	s.checkpoints, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: checkpointBucket, Description: "roomd: newest states of rooms", History: 1, TTL: checkpointTTL,
		Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return nil, explain(err)
	}
	s.stream, err = js.Stream(ctx, "KV_"+stateBucket)
	return s, explain(err)
}

// explain names what operators get wrong.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("cluster: this NATS has no JetStream, or not for this account (start nats-server with -js): %w", err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("cluster: NATS does not accept these credentials: %w", err)
	}
	return fmt.Errorf("cluster: %w", err)
}

func (k Key) text() string {
	if k.Room != "" {
		return "room." + k.Room
	}
	return "node." + string(k.SID)
}

// parseKey reads a key of the bucket.
func parseKey(text string) (Key, bool) {
	kind, name, ok := strings.Cut(text, ".")
	switch {
	case !ok || name == "":
	case kind == "room":
		return Key{Room: name}, true
	case kind == "node":
		return Key{SID: SID(name)}, true
	}
	return Key{}, false
}

func (k Key) subject() string { return "$KV." + stateBucket + "." + k.text() }

// put is a compare-and-set.
func (s *store) put(ctx context.Context, p Put) Answer {
	msg := &nats.Msg{Subject: p.Key.subject(), Header: nats.Header{}}
	var err error
	switch {
	case p.Lease != nil:
		msg.Data, err = json.Marshal(p.Lease)
	case p.Record != nil:
		msg.Data, err = json.Marshal(p.Record)
	default:
		msg.Header.Set(opHeader, "DEL")
	}
	if err != nil {
		panic(err) // numbers and names: cannot be
	}
	ack, err := s.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(uint64(p.Rev)), jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	switch {
	case err == nil:
		return Answer{Key: p.Key, Outcome: Won, Rev: Rev(ack.Sequence)}
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return Answer{Key: p.Key, Outcome: Lost}
	}
	return Answer{Key: p.Key, Outcome: Unknown}
}

// get reads what the store holds, or held a while ago: reads decide nothing.
func (s *store) get(ctx context.Context, k Key) (Event, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, k.subject())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return seen(k, 0, nil)
	}
	if err != nil {
		return nil, err
	}
	if m.Header.Get(opHeader) != "" {
		return seen(k, Rev(m.Sequence), nil)
	}
	return seen(k, Rev(m.Sequence), m.Data)
}

// seen is the event of a key with that content; nil is deleted.
func seen(k Key, rev Rev, b []byte) (Event, error) {
	if k.Room != "" {
		e := SeenRoom{Room: k.Room, Rev: rev}
		if b == nil {
			return e, nil
		}
		return e, json.Unmarshal(b, &e.Record)
	}
	e := SeenLease{SID: k.SID, Rev: rev}
	if b == nil {
		e.Rev = 0
		return e, nil
	}
	return e, json.Unmarshal(b, &e.Lease)
}

// watch tells of every key, and then of every change, until ctx ends. It is a hint:
// changes may be late or missing.
func (s *store) watch(ctx context.Context, tell func(Event)) error {
	w, err := s.state.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return errors.New("the watch ended")
			}
			if e == nil {
				continue // all that was there is told
			}
			k, ok := parseKey(e.Key())
			if !ok {
				continue
			}
			b := e.Value()
			if e.Operation() != jetstream.KeyValuePut {
				b = nil
			}
			if ev, err := seen(k, Rev(e.Revision()), b); err == nil {
				tell(ev)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkpointKey names a room's state under a term. Owners write under their own: one
// that was replaced and does not know it yet overwrites nothing.
func checkpointKey(room string, term uint64) string {
	return room + "." + strconv.FormatUint(term, 10)
}

func (s *store) save(ctx context.Context, room string, term uint64, b []byte) error {
	_, err := s.checkpoints.Put(ctx, checkpointKey(room, term), b)
	return err
}

// load is the newest state of a room before a term; nil when there is none.
func (s *store) load(ctx context.Context, room string, term uint64) ([]byte, error) {
	for t := term; t > 0 && t+termsBack > term; {
		t--
		e, err := s.checkpoints.Get(ctx, checkpointKey(room, t))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return e.Value(), nil
	}
	return nil, nil
}

// forget deletes the states of a room that is over or has newer ones.
func (s *store) forget(ctx context.Context, room string, term uint64) {
	s.checkpoints.Purge(ctx, checkpointKey(room, term)) // else its TTL ends it
}

// checkpointTTL is how long a state is kept that nobody renews.
const checkpointTTL = 24 * time.Hour

// termsBack is over how many terms a state is looked for: owners save when they
// begin, and only those that died before that leave none.
const termsBack = 16
