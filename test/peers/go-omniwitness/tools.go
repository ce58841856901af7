//go:build tools

// Package tools pins the omniwitness that our checkpoints are shown to, and what it is built from.
package tools

import _ "github.com/transparency-dev/witness/cmd/omniwitness"
