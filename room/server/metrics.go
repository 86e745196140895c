package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/netcode/ws"
	"github.com/roomd/roomd/room"
)

// loopReading is one loop's counters and those of its rooms, gone ones included.
type loopReading struct {
	loop loop.Stats
	tally
	readers map[sse.ReaderKind]int
}

// loopStatsNow asks every loop for its counters, on the loop's own goroutine. A
// loop that does not answer until ctx ends is left out.
func (s *Server) loopStatsNow(ctx context.Context) []loopReading {
	loops := s.allLoops()
	on := map[*loop.Loop][]*hosted{}
	for _, h := range s.dir.shown() {
		on[h.loop] = append(on[h.loop], h)
	}
	answers := make(chan loopReading, len(loops))
	asked := 0
	for _, l := range loops {
		if l.Post(func() { answers <- s.readLoop(l, on[l]) }) {
			asked++
		}
	}
	var list []loopReading
	for ; asked > 0; asked-- {
		select {
		case r := <-answers:
			list = append(list, r)
		case <-ctx.Done():
			return list
		}
	}
	return list
}

// readLoop runs on the loop. A room that ended since the list was made is in
// gone already.
func (s *Server) readLoop(l *loop.Loop, rooms []*hosted) loopReading {
	r := loopReading{loop: l.Stats(), tally: s.stats.gone(l), readers: map[sse.ReaderKind]int{}}
	for _, h := range rooms {
		if p := h.at(); !p.Ended() {
			st := p.Stats()
			r.rooms.Add(&st)
		}
		if h.pub != nil {
			st := h.pub.log.Stats()
			r.public.Add(&st)
			h.pub.log.Count(r.readers)
		}
	}
	return r
}

// collector exports all counters of a Server.
type collector struct{ srv *Server }

// Describe implements prometheus.Collector: what Collect gives depends on
// nothing, so its descriptions are as good as a list.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	sum := loopReading{tally: c.srv.stats.ofRetired(), readers: map[sse.ReaderKind]int{}}
	for _, r := range c.srv.loopStatsNow(ctx) {
		sum.add(&r.tally)
		sum.loop = addLoop(sum.loop, r.loop)
		for kind, n := range r.readers {
			sum.readers[kind] += n
		}
	}
	m := emitter{ch}
	c.people(m)
	c.byes(m)
	roomMetrics(m, &sum.rooms)
	publicMetrics(m, &sum.public, sum.readers)
	loopMetrics(m, &sum.loop)
	c.refusals(m)
	c.sockets(m)
	c.tls(m)
	c.links(m)
	c.cluster(m)
}

// cluster exports what a node counts.
func (c *collector) cluster(m emitter) {
	if c.srv.shard == nil {
		return
	}
	valid := 0.0
	if c.srv.shard.valid() {
		valid = 1
	}
	m.gauge("cluster_lease_valid", "1 while this node's rooms may tick.", valid)
	n := c.srv.shard.c.Load()
	if n == nil {
		return
	}
	s := n.Stats()
	m.gauge("cluster_peers", "Other nodes that live.", float64(len(n.Peers())))
	m.counter("cluster_renewals_total", "Renewals of the lease begun.", s.Renewals.Load())
	m.counter("cluster_unknown_total", "Compare-and-sets that the store did not answer in time.", s.Unknown.Load())
	m.counter("cluster_strangers_total", "Messages that no node of this version sent.", s.Strangers.Load())
	m.counter("cluster_rooms_rescued_total", "Rooms taken from dead nodes.", s.Rescued.Load())
	m.gauge("cluster_edges", "Rooms of other nodes that are served here.", float64(c.srv.shard.edges()))
	m.counter("cluster_relay_lost_total", "Messages of rooms and edges that the network did not take, and that are asked for again.", s.RelayLost.Load())
	m.counter("cluster_rooms_moved_total", "Rooms taken over from living nodes.", s.Moved.Load())
}

// emitter writes metrics without a description kept for each.
type emitter struct{ ch chan<- prometheus.Metric }

func (m emitter) counter(name, help string, v uint64) {
	m.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("roomd_"+name, help, nil, nil), prometheus.CounterValue, float64(v))
}

func (m emitter) seconds(name, help string, d time.Duration) {
	m.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("roomd_"+name, help, nil, nil), prometheus.CounterValue, d.Seconds())
}

func (m emitter) labelled(name, help, label, value string, v uint64) {
	d := prometheus.NewDesc("roomd_"+name, help, []string{label}, nil)
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), value)
}

func (m emitter) gauge(name, help string, v float64) {
	m.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("roomd_"+name, help, nil, nil), prometheus.GaugeValue, v)
}

func (m emitter) gaugeFor(name, help, label, value string, v float64) {
	d := prometheus.NewDesc("roomd_"+name, help, []string{label}, nil)
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, value)
}

// people counts rooms and seats for each kind.
func (c *collector) people(m emitter) {
	type count struct{ rooms, players, spectators int }
	by := map[string]*count{}
	for _, k := range c.srv.cfg.Kinds {
		by[k.Name()] = &count{}
	}
	for _, i := range c.srv.Rooms() {
		n := by[i.Kind]
		n.rooms++
		n.players += i.Players
		n.spectators += i.Spectators
	}
	for kind, n := range by {
		m.gaugeFor("rooms", "Rooms.", "kind", kind, float64(n.rooms))
		m.gaugeFor("players", "Seats taken, broken connections within their grace included.", "kind", kind, float64(n.players))
		m.gaugeFor("spectators", "Viewers without a seat.", "kind", kind, float64(n.spectators))
	}
}

func (c *collector) byes(m emitter) {
	for code := range c.srv.count.byes {
		if n := c.srv.count.byes[code].Load(); n > 0 {
			m.labelled("byes_total", "Connections ended by the server, by reason.", "reason", wire.Code(code).String(), n)
		}
	}
	m.counter("text_messages_total", "Connections ended for a text message.", c.srv.count.text.Load())
	m.counter("admit_refused_total", "Joins refused by Admit.", c.srv.count.refused.Load())
	m.counter("posts_lost_total", "Posts of games lost since the handler was too slow.", c.srv.count.postsLost.Load())
}

func roomMetrics(m emitter, s *room.Stats) {
	buckets := map[float64]uint64{}
	var n uint64
	for i, bound := range room.LateBounds {
		n += s.Late[i]
		buckets[bound.Seconds()] = n
	}
	n += s.Late[len(room.LateBounds)]
	late := prometheus.NewDesc("roomd_tick_late_seconds", "How long after its deadline a tick began.", nil, nil)
	m.ch <- prometheus.MustNewConstHistogram(late, n, s.LateTime.Seconds(), buckets)
	m.counter("ticks_total", "Ticks made.", s.Ticks)
	m.counter("ticks_skipped_total", "Ticks not made since their room was too late.", s.TicksSkipped)
	m.counter("wakes_total", "Times a sleeping room woke.", s.Wakes)
	m.seconds("step_seconds_total", "Time spent in Step.", s.StepTime)
	m.gauge("step_max_seconds", "The longest Step.", s.StepMax.Seconds())
	m.counter("steps_slow_total", "Steps of a millisecond and more.", s.StepsSlow)
	m.counter("joins_total", "Players who joined.", s.Joins)
	m.counter("resumes_total", "Seats taken back.", s.Resumes)
	m.counter("leaves_total", "Seats given up or lost.", s.Leaves)
	m.counter("joins_refused_total", "Joins and resumes answered with a bye.", s.Refused)
	m.counter("replaced_total", "Connections replaced by a newer one for the same seat.", s.Replaced)
	m.counter("kicks_total", "Players removed by their game.", s.Kicks)
	m.counter("slow_total", "Viewers ended for not keeping up.", s.Slow)
	m.counter("games_failed_total", "Rooms ended by their game's failure.", s.Panics)
	m.counter("inputs_applied_total", "Inputs given to Step.", s.InputsApplied)
	m.counter("inputs_dropped_total", "Inputs dropped from a full inbox.", s.InputsDropped)
	m.counter("inputs_repeated_total", "Ticks in which an earlier input stood in.", s.InputsRepeated)
	m.counter("inputs_missed_total", "Ticks in which a player had no input.", s.InputsMissed)
	m.counter("mail_dropped_total", "Mail that a room could not take.", s.MailDropped)
	m.counter("posts_dropped_total", "Posts beyond what a game may send in a tick.", s.PostsDropped)
	m.counter("relayed_frames_total", "State messages passed on as the room's node made them, each shared by its group of viewers.", s.Relayed)
	m.counter("relay_bytes_total", "Bytes that rooms here told their edges, each counted once.", s.RelayedBytes)
	m.counter("encodes_total", "State messages encoded, each shared by its group of viewers.", s.Encodes)
	m.counter("frame_bytes_total", "Bytes of encoded state messages, each counted once.", s.FrameBytes)
	m.counter("self_frames_total", "Private frames made.", s.SelfFrames)
	m.counter("frames_taken_total", "State frames that a connection took.", s.FramesTaken)
	m.counter("frames_refused_total", "State frames that a connection was not ready for.", s.FramesRefused)
	m.counter("keyframes_total", "Keyframes that a connection took.", s.Keyframes)
	m.counter("resyncs_total", "Keyframes that clients asked for.", s.Resyncs)
	m.counter("wrong_hashes_total", "Keyframes that clients asked for since their state was not the room's.", s.WrongHashes)
}

func addLoop(a, b loop.Stats) loop.Stats {
	a.Conns += b.Conns
	a.Tail += b.Tail
	a.Accepts += b.Accepts
	a.Refused += b.Refused
	a.Pauses += b.Pauses
	a.Reads += b.Reads
	a.BytesIn += b.BytesIn
	a.Writes += b.Writes
	a.BytesOut += b.BytesOut
	a.Again += b.Again
	a.Partial += b.Partial
	a.Batches += b.Batches
	a.Mail += b.Mail
	a.MailFull += b.MailFull
	a.Passes += b.Passes
	a.TaskRuns += b.TaskRuns
	a.MaxLag = max(a.MaxLag, b.MaxLag)
	return a
}

func loopMetrics(m emitter, s *loop.Stats) {
	m.gauge("connections", "Open connections.", float64(s.Conns))
	m.gauge("unsent_bytes", "Bytes waiting for kernels to take them.", float64(s.Tail))
	m.counter("accepts_total", "Connections accepted.", s.Accepts)
	m.counter("accepts_refused_total", "Connections closed at once, without descriptors or slots.", s.Refused)
	m.counter("listener_pauses_total", "Times the listener had to rest.", s.Pauses)
	m.counter("reads_total", "Reads that brought bytes.", s.Reads)
	m.counter("read_bytes_total", "Bytes read.", s.BytesIn)
	m.counter("writes_total", "Writes that took bytes.", s.Writes)
	m.counter("written_bytes_total", "Bytes written.", s.BytesOut)
	m.counter("again_total", "Reads and writes that the kernel put off.", s.Again)
	m.counter("partial_writes_total", "Writes that left a tail.", s.Partial)
	m.counter("io_batches_total", "Calls of an io_uring, each for many reads or writes.", s.Batches)
	m.counter("mailbox_full_total", "Functions refused by a full mailbox.", s.MailFull)
	m.counter("loop_passes_total", "Rounds of the loops.", s.Passes)
	m.counter("task_runs_total", "Runs of rooms.", s.TaskRuns)
	m.gauge("loop_max_lag_seconds", "The latest that a room was run.", s.MaxLag.Seconds())
}

// sockets exports what the WebSocket layer counts.
func (c *collector) sockets(m emitter) {
	s := c.srv.ws.Stats()
	m.counter("websocket_upgrades_total", "Handshakes completed.", s.Upgraded)
	m.counter("websocket_deflate_total", "Connections upgraded with compression.", s.Deflating)
	for _, why := range ws.Rejects() {
		m.labelled("websocket_rejected_total", "Handshakes refused, by reason.", "reason", why.String(), s.Rejected[why])
	}
	for code, n := range map[string]uint64{"1002": s.ProtocolErrors, "1007": s.InvalidData, "1008": s.Policy, "1009": s.TooBig} {
		m.labelled("websocket_errors_total", "Connections ended for breaking the WebSocket protocol, by close code.", "code", code, n)
	}
	m.counter("websocket_messages_total", "Messages received.", s.Messages)
	m.counter("websocket_dead_total", "Peers ended for silence.", s.Dead)
	m.counter("http_connections_total", "Connections handed to the HTTP routes.", s.HTTP)
	m.gauge("uptime_seconds", "Time since the server was made.", time.Since(c.srv.boot).Seconds())
}

// links exports what sessions over HTTP requests count.
func (c *collector) links(m emitter) {
	n := &c.srv.count
	m.gauge("http_sessions", "Sessions of players without WebSocket, those that ended a moment ago included.", float64(c.srv.links.len()))
	m.gaugeFor("http_session_readers", "Requests that read from such a session.", "transport", "poll", float64(n.reads[pollReader].Load()))
	m.gaugeFor("http_session_readers", "Requests that read from such a session.", "transport", "sse", float64(n.reads[streamReader].Load()))
	m.counter("http_sessions_total", "Sessions begun over HTTP.", n.links.Load())
	m.counter("http_sessions_lost_total", "Sessions over HTTP whose clients fell silent.", n.linksLost.Load())
	m.counter("http_session_posts_total", "Posts taken in.", n.posts.Load())
	m.counter("http_session_posts_repeated_total", "Posts that were taken in before.", n.postsRepeated.Load())
	m.counter("http_session_superseded_total", "Reads that a newer one took over.", n.superseded.Load())
}

// publicMetrics is what those who only watch over HTTP cost.
func publicMetrics(m emitter, s *sse.Stats, readers map[sse.ReaderKind]int) {
	d := prometheus.NewDesc("roomd_public_readers", "Readers over HTTP, by transport, format and delay.", []string{"transport", "format", "delay"}, nil)
	for kind, n := range readers {
		transport := "sse"
		if kind.Poll {
			transport = "poll"
		}
		m.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), transport, kind.Format.String(), kind.Delay.String())
	}
	for f := range sse.NumFormats {
		m.labelled("public_encodes_total", "Entries of public logs made, once for all readers.", "format", f.String(), s.Encodes[f])
	}
	for i, reason := range sse.Reasons() {
		m.labelled("public_resets_total", "Readers told that they could not go on where they were.", "reason", reason, s.Resets[i])
	}
	m.counter("public_skips_total", "Jumps of readers that were too slow.", s.Skips)
	m.counter("public_stalled_total", "Readers closed since they took nothing.", s.Stalled)
	m.counter("public_polls_total", "Long polls answered.", s.Polls)
	m.counter("public_raw_bytes_total", "Bytes given to readers, before compression.", s.Raw)
	m.counter("public_wire_bytes_total", "Bytes given to readers, after compression.", s.Wire)
}
