package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/wire"
)

// roomsCmd measures rooms that nobody watches: what a tick costs by itself.
type roomsCmd struct {
	Rooms    int           `default:"10000" help:"Rooms."`
	Bots     int           `default:"2" help:"Entities of each room, moved by the server."`
	Rate     int           `enum:"10,20,30,60" default:"20" help:"Ticks of a room in a second: 10, 20, 30 or 60."`
	Duration time.Duration `default:"10s" help:"Time measured."`
	Warmup   time.Duration `default:"3s" help:"Time before it."`
	Engine   string        `default:"auto" help:"Event loop of the server."`
	Loops    int           `default:"0" help:"Event loops of the server; 0 for its default."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
}

const (
	// foundersAtOnce is the players who come to make rooms at a time.
	foundersAtOnce = 500
	// leavePoll is the time between two looks whether they have left.
	leavePoll = 200 * time.Millisecond
)

// roomKinds is the workload at the rates of roomsCmd; that of 30 is crowd.Kind.
var roomKinds = []*game.Kind{crowd.AtRate(10), crowd.AtRate(20), crowd.AtRate(60)}

// kind is the name of the workload at a rate.
func (c *roomsCmd) kind() string {
	i := slices.IndexFunc(roomKinds, func(k *game.Kind) bool { return k.Options().TickRate == c.Rate })
	if i < 0 {
		return crowd.Kind.Name()
	}
	return roomKinds[i].Name()
}

// Run measures and prints the report.
func (c *roomsCmd) Run() error {
	if c.Rooms < 1 || c.Bots < 0 || c.Bots > crowd.MaxPlayers || c.Duration <= 0 || c.Warmup < 0 {
		return fmt.Errorf("rooms and duration must be positive, and bots at most %d", crowd.MaxPlayers)
	}
	ctx, stop := interrupted()
	defer stop()
	rep, err := c.play(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return rep.writeJSON(os.Stdout)
	}
	return rep.writeTable(os.Stdout)
}

// play starts a server whose rooms stay when their players leave.
func (c *roomsCmd) play(ctx context.Context) (*roomsReport, error) {
	t, err := newTarget(ctx, "", 0, []string{
		"--engine", c.Engine, "--loops", fmt.Sprint(c.Loops), "--empty=-1s", "--max-rooms", fmt.Sprint(c.Rooms),
		"--max-handshakes", "0", "--log-level", "ERROR", "--param", fmt.Sprint("bots=", c.Bots),
	})
	if err != nil {
		return nil, err
	}
	defer t.stop()
	bare, err := t.weigh(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := c.found(ctx, t); err != nil {
		return nil, err
	}
	rep := &roomsReport{Rooms: c.Rooms, Bots: c.Bots, RateHz: c.Rate, FoundS: time.Since(begin).Seconds()}
	if err := wait(ctx, c.Warmup); err != nil {
		return nil, err
	}
	if err := c.measure(ctx, t, rep); err != nil {
		return nil, err
	}
	full, err := t.weigh(ctx)
	rep.RSSMB = float64(full) / 1e6
	rep.RSSPerRoom = float64(full-bare) / float64(c.Rooms)
	return rep, err
}

// found makes the rooms as players make them, who then leave.
func (c *roomsCmd) found(ctx context.Context, t *target) error {
	for first := 0; first < c.Rooms; first += foundersAtOnce {
		if err := c.foundSome(ctx, t, first, min(foundersAtOnce, c.Rooms-first)); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(connectTimeout)
	for {
		m, err := t.metrics()
		if err != nil {
			return err
		}
		rooms, players := m[fmt.Sprintf("roomd_rooms{kind=%q}", c.kind())], m[fmt.Sprintf("roomd_players{kind=%q}", c.kind())]
		switch {
		case rooms == float64(c.Rooms) && players == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("there are %.0f of %d rooms, with %.0f players", rooms, c.Rooms, players)
		}
		if err := wait(ctx, leavePoll); err != nil {
			return err
		}
	}
}

func (c *roomsCmd) foundSome(ctx context.Context, t *target, first, n int) error {
	p, err := newParty(t.addr)
	if err != nil {
		return err
	}
	defer p.stop()
	err = p.connect(ctx, n, func(i int) *guest {
		return &guest{hello: wire.AppendHello(nil, wire.Hello{Kind: c.kind(), Room: fmt.Sprint("load-", first+i), Name: "founder"})}
	})
	if err != nil {
		return err
	}
	on(p.loop, func() {
		p.leaving = true
		for _, g := range p.guests {
			err = errors.Join(err, g.conn.Write(appendFrame(nil, opBinary, wire.AppendLeave(nil))))
		}
	})
	return err
}

func (c *roomsCmd) measure(ctx context.Context, t *target, rep *roomsReport) error {
	before, err := t.metrics()
	if err != nil {
		return err
	}
	used, err := t.usage()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := wait(ctx, c.Duration); err != nil {
		return err
	}
	now, err := t.usage()
	if err != nil {
		return err
	}
	rep.DurationS = time.Since(begin).Seconds()
	after, err := t.metrics()
	if err != nil {
		return err
	}
	const late = "roomd_tick_late_seconds"
	diff := func(name string) float64 { return after[name] - before[name] }
	rep.Ticks, rep.TicksSkipped = diff("roomd_ticks_total"), diff("roomd_ticks_skipped_total")
	if rep.Ticks == 0 {
		return errors.New("no room made a tick")
	}
	cpu := now.cpu - used.cpu
	rep.ServerCPUPct = 100 * cpu.Seconds() / rep.DurationS
	rep.TickCPU = float64(cpu.Microseconds()) / rep.Ticks
	rep.StepCPU = 1e6 * diff("roomd_step_seconds_total") / rep.Ticks
	rep.LateP50, rep.LateP99 = 1000*quantile(before, after, late, 0.50), 1000*quantile(before, after, late, 0.99)
	rep.LateMax = 1000 * quantile(before, after, late, 1)
	return nil
}

// roomsReport is the result of a rooms run. The JSON keys carry the units.
type roomsReport struct {
	Rooms        int     `json:"rooms"`
	Bots         int     `json:"bots_per_room"`
	RateHz       int     `json:"tick_rate_hz"`
	FoundS       float64 `json:"rooms_made_in_s"`
	DurationS    float64 `json:"duration_s"`
	ServerCPUPct float64 `json:"server_cpu_pct"` // of one core
	TickCPU      float64 `json:"tick_cpu_us"`    // of the whole server
	StepCPU      float64 `json:"step_us"`        // of it, in the game's Step
	Ticks        float64 `json:"ticks"`
	TicksSkipped float64 `json:"ticks_skipped"`
	LateP50      float64 `json:"tick_late_p50_ms"`
	LateP99      float64 `json:"tick_late_p99_ms"`
	LateMax      float64 `json:"tick_late_max_ms"` // at most: the bound of a bucket
	RSSMB        float64 `json:"rss_mb"`
	RSSPerRoom   float64 `json:"rss_bytes_per_room"`
}

func (r *roomsReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *roomsReport) writeTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(t, "%d rooms of %d bots and no viewers, %d Hz, %.1f s; made in %.1f s\n", r.Rooms, r.Bots, r.RateHz, r.DurationS, r.FoundS)
	row("a tick", "%.2f us of CPU, %.2f us of it in Step", r.TickCPU, r.StepCPU)
	row("server CPU", "%.1f %% of one core", r.ServerCPUPct)
	row("server memory", "%.1f MB, %.0f B a room", r.RSSMB, r.RSSPerRoom)
	row("tick lateness", "p50 %.2f ms, p99 %.2f ms, max under %.1f ms", r.LateP50, r.LateP99, r.LateMax)
	row("ticks", "%.0f, %.0f skipped", r.Ticks, r.TicksSkipped)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
