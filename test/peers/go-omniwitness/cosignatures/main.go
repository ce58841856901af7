// Judges a witness of ours with transparency-dev's note library: what it cosigned, and its key files.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

type question struct {
	// Verifier keys of the witness, and its key files in the same order.
	Vkeys []string `json:"vkeys"`
	Skeys []string `json:"skeys"`
	// A cosigned checkpoint.
	Note string `json:"note"`
}

type answer struct {
	// How many of the keys have cosigned the note.
	Verified int `json:"verified"`
	// The note's text, cosigned by Go with the key files.
	SignedByGo string `json:"signedByGo"`
}

func main() {
	var q question
	must(json.NewDecoder(os.Stdin).Decode(&q))
	var verifiers []note.Verifier
	for _, vkey := range q.Vkeys {
		verifier, err := formats.NewVerifier(vkey)
		must(err)
		verifiers = append(verifiers, verifier)
	}
	// Fails if one of the known keys has a line that does not verify.
	opened, err := note.Open([]byte(q.Note), note.VerifierList(verifiers...))
	must(err)
	var signers []note.Signer
	for i, skey := range q.Skeys {
		signer, err := formats.NewSignerForCosignatureV1(skey)
		must(err)
		if signer.Name() != verifiers[i].Name() || signer.KeyHash() != verifiers[i].KeyHash() {
			must(fmt.Errorf("key file %d is not that of key %d", i, i))
		}
		signers = append(signers, signer)
	}
	signed, err := note.Sign(&note.Note{Text: opened.Text}, signers...)
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(answer{Verified: len(opened.Sigs), SignedByGo: string(signed)}))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
