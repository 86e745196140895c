package room

import "time"

// Limits that no configuration changes.
const (
	// InboxSize is the number of commands that wait in one seat; beyond it the
	// oldest are dropped, counted and told.
	InboxSize = 8
	// leastInbox is the number of commands that a seat has room for at first.
	leastInbox = 2
	// SlowLimit is how long a viewer may take no frame before it is told
	// ByeSlow.
	SlowLimit = 10 * time.Second
	// FleetFor is the age beyond which fleeting events are not sent any more.
	FleetFor = 250 * time.Millisecond
	// MaxViewers bounds the connections of one room, players and spectators.
	MaxViewers = 10_000
	// MaxArrivals bounds the joins that wait for the next tick.
	MaxArrivals = 2048
	// MaxMail bounds the messages of Mail that wait for the next tick.
	MaxMail = 256
	// MaxPosts bounds what a game may post in one tick.
	MaxPosts = 1024

	// PartSize bounds a part of a keyframe that has more than one row, in bytes,
	// so that other messages need not wait for long.
	PartSize = 16 << 10
	// PinFor is how long the entry of a keyframe that is under way is kept for a
	// connection that does not take it.
	PinFor = 10 * time.Second

	// MaxEdges bounds the edges of one room.
	MaxEdges = 256
	// edgeSilence is after how much of the room's own time an edge that is not heard
	// counts as gone.
	edgeSilence = 5 * time.Second
	// claimFor is how long a seat waits, after its room went to another node, for the
	// edge that its player is at.
	claimFor = 1500 * time.Millisecond
	// helloEvery is the time between two words of an edge to the owner, askEvery
	// between two requests for what is missing.
	helloEvery = 500 * time.Millisecond
	askEvery   = 10 * time.Millisecond
	// stalledAfter is after how long without a word from the owner viewers are told
	// that the room stands still, and lostAfter when an edge gives up.
	stalledAfter = 600 * time.Millisecond
	lostAfter    = 30 * time.Second
	// uplinkLead is how long before a tick an edge sends what its players have sent
	// since the last, and from when on it sends all at once.
	uplinkLead = 6 * time.Millisecond
	// slot is that of the loop: nothing is worth being called again sooner.
	slot = time.Millisecond

	// maxUp bounds the errands that wait for the next tick, in bytes.
	maxUp = 64 << 10
	// maxUpMessage bounds what an edge tells in one message, in bytes, unless that is one
	// errand: NATS takes a megabyte, unless it is set up otherwise.
	maxUpMessage = 256 << 10

	// keyframeHead is not less than the head of a part, in bytes.
	keyframeHead = 16
	// predictRun is the number of states, tick after tick, that a prediction
	// needs.
	predictRun = 3
	// resyncEvery is the time between two keyframes that one viewer asks for.
	resyncEvery = time.Second
	// infoEvery is the age at which a published Info is renewed.
	infoEvery = time.Second
	// slowStep is the duration from which a Step is counted and named.
	slowStep = time.Millisecond
	// slowStepLogEvery is the time between two log records about slow steps.
	slowStepLogEvery = time.Minute
	// maxSlack bounds the slack told to a player, in quarter ticks.
	maxSlack = 1000
	// retrySoon is the wait told to clients that may come back after a failure.
	retrySoon = time.Second
	// retryNow is the wait told to clients whose next attempt will be answered.
	retryNow = 100 * time.Millisecond
	// retryFull is the wait told to clients that found no free seat.
	retryFull = 5 * time.Second
)
