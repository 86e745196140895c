package server

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	demo "github.com/roomd/roomd/client-demo"
)

// routes is the whole HTTP surface beside GET /v1/ws, which the loop serves: it gets
// here only behind other requests.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/rooms", s.listRooms())
	mux.HandleFunc("GET "+socketPath, s.upgradeLater)
	s.publicRoutes(mux)
	s.sessionRoutes(mux)
	for path, h := range map[string]http.Handler{healthPath: s.healthz(), readyPath: s.readyz(), metricsPath: s.metrics()} {
		mux.Handle("GET "+path, h)
	}
	mux.Handle("GET /sdk/", http.StripPrefix("/sdk/", files(demo.SDK())))
	if s.cfg.Pages != nil {
		mux.Handle("GET /", files(s.cfg.Pages))
	} else {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "roomd: players connect to /v1/ws; see /v1/rooms, /metrics and the SDK at /sdk/")
		})
	}
	return closingProbes(mux)
}

// files serves an embedded tree. Its content changes with the binary only, but
// browsers cannot know which binary answers, so they ask each time.
func files(f fs.FS) http.Handler {
	h := http.FileServerFS(f)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// roomJSON is one room in GET /v1/rooms.
type roomJSON struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"`
	Players    int               `json:"players"`
	MaxPlayers int               `json:"max_players"`
	Spectators int               `json:"spectators"`
	Node       string            `json:"node,omitempty"` // another one of the cluster, which knows more
	Summary    map[string]string `json:"summary,omitempty"`
}

func (s *Server) listRooms() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.URL.Query().Get("kind")
		list := []roomJSON{}
		for _, i := range s.Rooms() {
			if kind == "" || kind == i.Kind {
				if s.kinds[i.Kind].Options().SpectateDelay > 0 {
					i.Summary = nil // it speaks of now
				}
				list = append(list, roomJSON{ID: i.ID, Kind: i.Kind, Players: i.Players, MaxPlayers: i.MaxPlayers, Spectators: i.Spectators, Summary: i.Summary})
			}
		}
		if s.shard != nil {
			list = append(list, s.shard.elsewhere(kind)...)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(map[string]any{"rooms": list})
	})
}

// healthz answers as long as the process can: a hung loop ends the process.
func (s *Server) healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
}

// readyz tells a load balancer whether new players may be sent here.
func (s *Server) readyz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.dir.isDraining() || s.shard != nil && (s.shard.draining.Load() || !s.shard.valid()) {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}

func (s *Server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&collector{srv: s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}
