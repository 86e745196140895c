// Package cluster decides which node owns a room. Node is the protocol, as a pure
// state machine: events in, effects out, time as an argument. Its only authority
// is a store with compare-and-set.
//
// Two keys matter. A node's lease is one key for each start of the node (SID),
// which its owner renews and which anybody may kill, by compare-and-set on that
// very key: a renewal and a kill exclude each other, and a lease that was killed
// is never revived. A room's record names its owner; it changes hands by
// compare-and-set only, from an owner that gives it away or whose lease is dead.
//
// A node acts for its rooms only while its lease is valid by its own clock
// (Node.Valid). Terms rise at every change of owner; epochs change when state was
// lost.
//
// Cluster is a Node on NATS: JetStream is the store, core NATS carries what nodes
// say to each other, and a Host has the rooms. Admin is for operators.
package cluster
