package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// TestLeastPermissions lets nodes and an operator have the subjects that README names,
// and nothing else: rooms are made, move, and are rescued.
func TestLeastPermissions(t *testing.T) {
	may := &natsserver.SubjectPermission{Allow: []string{
		"roomd.>", "$JS.API.>", "$JS.FC.>", "$KV.ROOMD_STATE.>", "$KV.ROOMD_CHECKPOINTS.>", "_INBOX.>",
	}}
	s := startNATS(t, natsserver.Options{
		JetStream: true,
		Users:     []*natsserver.User{{Username: "node", Password: "secret", Permissions: &natsserver.Permissions{Publish: may, Subscribe: may}}},
	})
	url := fmt.Sprintf("nats://node:secret@%s", s.Addr())
	var nodes []*fakeHost
	for _, name := range []string{"a", "b"} {
		h, err := joinNode(t, Options{Name: name, Remote: Remote{Servers: url}, Lease: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, h)
	}
	a, b := nodes[0], nodes[1]
	eventually(t, "they know each other", func() bool { return len(a.c.Peers()) == 1 && len(b.c.Peers()) == 1 })
	a.c.Tell(Create{Room: "r", Kind: "game"})
	eventually(t, "the room is made", func() bool { _, _, ok := a.runs("r"); return ok })
	if err := a.c.Save("r", 1, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	op, err := OpenAdmin(ctx, Remote{Servers: url})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	if err := op.Move(ctx, "r", "b"); err != nil {
		t.Fatal(err)
	}
	if err := op.Move(ctx, "r", "b"); err != nil {
		t.Errorf("to move a room to where it is: %v", err)
	}
	eventually(t, "the room has moved", func() bool { _, _, ok := b.runs("r"); return ok })
	start, _, _ := b.runs("r")
	if err := b.c.Save("r", start.Term, []byte("kept again")); err != nil {
		t.Fatal(err)
	}
	b.c.Close()
	eventually(t, "the room is rescued", func() bool { _, state, ok := a.runs("r"); return ok && state == "kept again" })
}
