// Package demo holds what browsers load: the JavaScript SDK and the Play page of
// the arena game, as they are in this folder, inside the binary.
package demo

import (
	"embed"
	"io/fs"
)

//go:embed sdk/*.js
var sdk embed.FS

//go:embed *.html *.css *.js
var pages embed.FS

// SDK is the modules of the JavaScript SDK, index.js being their door. The
// server shows them at /sdk/. It is read-only and safe for concurrent use.
func SDK() fs.FS {
	dir, err := fs.Sub(sdk, "sdk")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return dir
}

// Pages is the demo pages and their modules, without the SDK and the tests. They
// expect to be served at /, the SDK at /sdk/ and rooms at /v1/ws of one origin.
// It is read-only and safe for concurrent use.
func Pages() fs.FS { return pages }
