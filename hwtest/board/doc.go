// Package board is the virtual board that the tests of cameras, pins and the daemon run on: see README.md and the script run.
// Its tests carry the build tag board.
package board
