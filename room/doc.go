// Package room is one authoritative room of players and spectators.
//
// A [Room] is a simulation and an audience. The simulation seats players, turns
// what they send into one command for each seat and tick, steps the game and
// captures an entry of the history ring; only there does game code run, and a
// panic in it ends this room and nothing else. The audience groups viewers by
// what they hold and may see, encodes each group's frame once, and offers it to
// every viewer's [Peer] with what is for that viewer alone. A viewer whose
// connection is full is passed over: its next frame starts from its own base.
//
// A Room knows no sockets, starts no goroutines and reads no clock: time is the
// argument now, monotonic as loop.Now gives it. It belongs to the goroutine of
// its loop, which drives it through [Room.Advance]; only [Room.Info] may be
// called by others.
//
//	join, input, mail -> Tick: 1 turnover  2 commands  3 Step  4 capture  5 broadcast -> Peer
//
// Messages are those of netcode/wire (PROTOCOL.md there).
package room
