// Command peers checks Spur's checkpoints and proofs with Go's own implementation (golang.org/x/mod/sumdb).
// It reads a question as JSON from standard input, and ends with 1 at the first thing that does not hold.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Vkey        string        `json:"vkey"`
	Checkpoints []string      `json:"checkpoints"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
	Signer      string        `json:"signer"`
}

// inclusion: the entry at Index is in the tree of checkpoint number Tree.
type inclusion struct {
	Tree  int      `json:"tree"`
	Index int64    `json:"index"`
	Entry string   `json:"entry"`
	Proof []string `json:"proof"`
}

// consistency: checkpoint number From is a prefix of checkpoint number To.
type consistency struct {
	From  int      `json:"from"`
	To    int      `json:"to"`
	Proof []string `json:"proof"`
}

type tree struct {
	size int64
	root tlog.Hash
}

func main() {
	var q question
	check(json.NewDecoder(os.Stdin).Decode(&q), "the question")
	verifier, err := note.NewVerifier(q.Vkey)
	check(err, "the key")
	var trees []tree
	for i, text := range q.Checkpoints {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		check(err, fmt.Sprintf("checkpoint %d", i))
		if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
			fail("checkpoint %d: %d verified signatures, %d others", i, len(opened.Sigs), len(opened.UnverifiedSigs))
		}
		trees = append(trees, parse(opened.Text, verifier.Name()))
		refuseChanged(text, verifier)
	}
	refused := 0
	for i, one := range q.Inclusion {
		entry := decode(one.Entry)
		proof := tlog.RecordProof(hashes(one.Proof))
		at := trees[one.Tree]
		check(tlog.CheckRecord(proof, at.size, at.root, one.Index, tlog.RecordHash(entry)), fmt.Sprintf("inclusion %d", i))
		for j := range proof {
			proof[j][j%32] ^= 1
			if tlog.CheckRecord(proof, at.size, at.root, one.Index, tlog.RecordHash(entry)) == nil {
				fail("inclusion %d: hash %d of the proof is not looked at", i, j)
			}
			proof[j][j%32] ^= 1
			refused++
		}
	}
	for i, one := range q.Consistency {
		proof := tlog.TreeProof(hashes(one.Proof))
		from, to := trees[one.From], trees[one.To]
		check(tlog.CheckTree(proof, to.size, to.root, from.size, from.root), fmt.Sprintf("consistency %d", i))
		for j := range proof {
			proof[j][j%32] ^= 1
			if tlog.CheckTree(proof, to.size, to.root, from.size, from.root) == nil {
				fail("consistency %d: hash %d of the proof is not looked at", i, j)
			}
			proof[j][j%32] ^= 1
			refused++
		}
	}
	signedByGo := ""
	if q.Signer != "" {
		signer, err := note.NewSigner(q.Signer)
		check(err, "the private key as Go's tools write it")
		signed, err := note.Sign(&note.Note{Text: "signed by Go\n"}, signer)
		check(err, "signing")
		signedByGo = string(signed)
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"checkpoints": len(trees), "inclusion": len(q.Inclusion), "consistency": len(q.Consistency), "refused": refused, "signedByGo": signedByGo,
	}), "the answer")
}

// parse reads a C2SP checkpoint: origin, size, root, and no extension lines.
func parse(text, origin string) tree {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		fail("not the three lines of a checkpoint of %s: %q", origin, text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "the size")
	root, err := tlog.ParseHash(lines[2])
	check(err, "the root")
	return tree{size, root}
}

// refuseChanged makes sure that Go would notice: one digit of the size, one letter of the root.
func refuseChanged(text string, verifier note.Verifier) {
	for _, at := range []int{strings.Index(text, "\n") + 1, strings.Index(text, "\n\n") - 10} {
		changed := []byte(text)
		if changed[at] == '1' {
			changed[at] = '2'
		} else {
			changed[at] = '1'
		}
		if _, err := note.Open(changed, note.VerifierList(verifier)); err == nil {
			fail("a changed checkpoint is taken: %q", changed)
		}
	}
}

func hashes(list []string) []tlog.Hash {
	out := make([]tlog.Hash, len(list))
	for i, one := range list {
		copy(out[i][:], decode(one))
	}
	return out
}

func decode(text string) []byte {
	bytes, err := base64.StdEncoding.DecodeString(text)
	check(err, "base64")
	return bytes
}

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
