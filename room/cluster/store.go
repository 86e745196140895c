package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

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
	states      jetstream.Stream // of the checkpoints
	kept        keeper
	log         *slog.Logger
}

// openStore makes the buckets where they are missing.
func openStore(ctx context.Context, nc *nats.Conn, replicas int, log *slog.Logger) (*store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	s := &store{js: js, kept: keeper{rooms: map[string]*kept{}}, log: log}
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
	if s.stream, err = js.Stream(ctx, "KV_"+stateBucket); err != nil {
		return nil, explain(err)
	}
	if s.states, err = js.Stream(ctx, "KV_"+checkpointBucket); err != nil {
		return nil, explain(err)
	}
	return s, nil
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
		e.Lease.Dead = rev != 0 // deleted: it was dead for long, and stays so
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

// purge removes a deletion without a trace, unless the key has changed since.
func (s *store) purge(ctx context.Context, p Purge) error {
	return s.stream.Purge(ctx, jetstream.WithPurgeSubject(p.Key.subject()), jetstream.WithPurgeSequence(uint64(p.Rev)+1))
}

// nodes is all leases, as they are or were a while ago.
func (s *store) nodes(ctx context.Context) (list []SeenLease, err error) {
	w, err := s.state.Watch(ctx, "node.*")
	if err != nil {
		return nil, err
	}
	defer w.Stop()
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok || e == nil { // that is all there is
				return list, nil
			}
			k, ok := parseKey(e.Key())
			if !ok || e.Operation() != jetstream.KeyValuePut {
				continue
			}
			if ev, err := seen(k, Rev(e.Revision()), e.Value()); err == nil {
				list = append(list, ev.(SeenLease))
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
