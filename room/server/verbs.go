package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/roomd/roomd/room/cluster"
)

// The operator's verbs: they ask the nodes over NATS.

// remote is how the verbs find the cluster.
type remote struct {
	natsFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// with runs f with the cluster.
func (r *remote) with(f func(a *cluster.Admin) error) error {
	ctx, cancel := cluster.OrderContext()
	defer cancel()
	if r.NATS == "" {
		return errors.New("--nats is missing: the servers of the cluster's NATS")
	}
	a, err := cluster.OpenAdmin(ctx, cluster.Remote{
		Servers: r.NATS, Credentials: r.NATSCreds, CA: r.NATSCA, Cert: r.NATSCert, Key: r.NATSKey, Insecure: r.Insecure,
	})
	if err != nil {
		return err
	}
	defer a.Close()
	return f(a)
}

// print shows a list as JSON or as a table.
func (r *remote) print(w io.Writer, list any, head string, rows func(w io.Writer)) error {
	if r.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	rows(t)
	return t.Flush()
}

type nodesCmd struct{ remote }

// Run lists the nodes.
func (c *nodesCmd) Run(o output) error {
	return c.with(func(a *cluster.Admin) error {
		ctx, cancel := cluster.OrderContext()
		defer cancel()
		nodes, _, err := a.State(ctx)
		if err != nil {
			return err
		}
		return c.print(o.out, nodes, "NODE\tSTATE\tROOMS\tPLAYERS\tBUSY\tURL", func(w io.Writer) {
			for _, n := range nodes {
				state := "up"
				switch {
				case n.Dead:
					state = "dead"
				case n.Drain:
					state = "draining"
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.0f%%\t%s\n", n.SID, state, n.Rooms, n.Players, 100*n.Busy, n.URL)
			}
		})
	})
}

type roomsCmd struct {
	List  roomsListCmd  `cmd:"" help:"List the rooms of the cluster."`
	Show  roomsShowCmd  `cmd:"" help:"Show one room."`
	Move  roomsMoveCmd  `cmd:"" help:"Give a room to another node, while it is played."`
	Close roomsCloseCmd `cmd:"" help:"End a room."`
}

type roomsListCmd struct{ remote }

// Run lists the rooms.
func (c *roomsListCmd) Run(o output) error { return c.list(o, "") }

// list shows all rooms, or the one of that name.
func (r *remote) list(o output, only string) error {
	return r.with(func(a *cluster.Admin) error {
		ctx, cancel := cluster.OrderContext()
		defer cancel()
		_, rooms, err := a.State(ctx)
		if err != nil {
			return err
		}
		shown := []cluster.RoomInfo{}
		for _, i := range rooms {
			if only == "" || i.Room == only {
				shown = append(shown, i)
			}
		}
		if only != "" && len(shown) == 0 {
			return fmt.Errorf("no room %q", only)
		}
		return r.print(o.out, shown, "ROOM\tKIND\tNODE\tTERM\tEPOCH", func(w io.Writer) {
			for _, i := range shown {
				at := i.Node
				if i.Dead {
					at += " (dead)"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", i.Room, i.Kind, at, i.Term, i.Epoch)
			}
		})
	})
}

type roomsShowCmd struct {
	remote
	Room string `arg:"" help:"The room's id."`
}

// Run shows a room.
func (c *roomsShowCmd) Run(o output) error { return c.list(o, c.Room) }

type roomsMoveCmd struct {
	remote
	Room string `arg:"" help:"The room's id."`
	Node string `arg:"" help:"Name of the node that is to have it."`
}

// Run moves a room.
func (c *roomsMoveCmd) Run(o output) error {
	return c.order(o, fmt.Sprintf("room %s is at %s", c.Room, c.Node), func(a *cluster.Admin) error {
		ctx, cancel := cluster.OrderContext()
		defer cancel()
		return a.Move(ctx, c.Room, c.Node)
	})
}

type roomsCloseCmd struct {
	remote
	Room string `arg:"" help:"The room's id."`
}

// Run ends a room.
func (c *roomsCloseCmd) Run(o output) error {
	return c.order(o, fmt.Sprintf("room %s is closed", c.Room), func(a *cluster.Admin) error {
		ctx, cancel := cluster.OrderContext()
		defer cancel()
		return a.CloseRoom(ctx, c.Room)
	})
}

type drainCmd struct {
	remote
	Node string `arg:"" help:"Name of the node."`
}

// Run drains a node.
func (c *drainCmd) Run(o output) error {
	return c.order(o, fmt.Sprintf("node %s gives its rooms away", c.Node), func(a *cluster.Admin) error {
		ctx, cancel := cluster.OrderContext()
		defer cancel()
		return a.Drain(ctx, c.Node)
	})
}

// order runs f and says how it ended.
func (r *remote) order(o output, done string, f func(a *cluster.Admin) error) error {
	err := r.with(f)
	if !r.JSON {
		if err == nil {
			fmt.Fprintln(o.out, done)
		}
		return err
	}
	answer := struct {
		Done  string `json:"done,omitempty"`
		Error string `json:"error,omitempty"`
	}{Done: done}
	if err != nil {
		answer.Done, answer.Error = "", err.Error()
	}
	return errors.Join(err, json.NewEncoder(o.out).Encode(answer))
}
