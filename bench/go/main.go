// Posts entries of 1 KiB over HTTP, each unlike all others, so many in flight, for so long; prints what it measured as one JSON document.
// In Go, since the load must cost little beside what is measured on the same cores.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

const entryBytes = 1024

var filler = func() string {
	raw := make([]byte, entryBytes)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}()

// entry is text of n bytes that nobody had before.
func entry(n int) string {
	id := make([]byte, 16)
	rand.Read(id)
	return hex.EncodeToString(id) + filler[:n-32]
}

// published is a signed statement that becomes an entry of about 1 KiB itself.
func published() string {
	payload := base64.StdEncoding.EncodeToString([]byte(entry(430)))
	signature := make([]byte, 64)
	rand.Read(signature)
	return fmt.Sprintf(`{"dsse":{"payload":"%s","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"bench","sig":"%s"}]},"publish":true}`,
		payload, base64.StdEncoding.EncodeToString(signature))
}

func line(kind string) string {
	if kind == "published" {
		return published()
	}
	return fmt.Sprintf(`{"bytes":"%s"}`, base64.StdEncoding.EncodeToString([]byte(entry(entryBytes))))
}

func main() {
	url := flag.String("url", "", "where entries are posted")
	kind := flag.String("kind", "raw", "raw, sealed or published")
	inFlight := flag.Int("in-flight", 512, "connections")
	lines := flag.Int("lines", 1, "entries in each request; more than one: as NDJSON")
	seconds := flag.Float64("seconds", 10, "how long")
	key := flag.String("key", "", "access key")
	flag.Parse()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *inFlight, MaxConnsPerHost: *inFlight, DisableCompression: true}}
	end := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	var mutex sync.Mutex
	var latencies []float64
	done, failed := 0, 0
	why := ""
	var group sync.WaitGroup
	started := time.Now()
	for range *inFlight {
		group.Add(1)
		go func() {
			defer group.Done()
			var mine []float64
			count, bad, last := 0, 0, ""
			for time.Now().Before(end) {
				before := time.Now()
				ok, err := post(client, *url, *kind, *lines, *key)
				mine = append(mine, float64(time.Since(before).Microseconds())/1000)
				count += ok
				if err != nil {
					bad++
					last = err.Error()
				}
			}
			mutex.Lock()
			defer mutex.Unlock()
			latencies = append(latencies, mine...)
			done += count
			failed += bad
			if last != "" {
				why = last
			}
		}()
	}
	group.Wait()
	took := time.Since(started).Seconds()
	sort.Float64s(latencies)
	at := func(p float64) float64 { return latencies[int(math.Min(p*float64(len(latencies)), float64(len(latencies)-1)))] }
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"perSecond": float64(done) / took, "entries": done, "failed": failed, "why": why, "p50Ms": at(0.5), "p99Ms": at(0.99),
	})
}

// post sends one request; how many entries it made durable.
func post(client *http.Client, url, kind string, lines int, key string) (int, error) {
	var body strings.Builder
	contentType := "application/octet-stream"
	switch {
	case lines > 1:
		contentType = "application/x-ndjson"
		for range lines {
			body.WriteString(line(kind))
			body.WriteByte('\n')
		}
	case kind == "raw":
		body.WriteString(entry(entryBytes))
	default:
		contentType = "application/json"
		body.WriteString(line(kind))
	}
	request, err := http.NewRequest("POST", url, strings.NewReader(body.String()))
	if err != nil {
		return 0, err
	}
	request.Header.Set("content-type", contentType)
	if key != "" {
		request.Header.Set("authorization", "Bearer "+key)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(answer.Body)
		return 0, fmt.Errorf("%d %s", answer.StatusCode, bytes.TrimSpace(text))
	}
	if lines == 1 {
		_, err = io.Copy(io.Discard, answer.Body)
		return 1, err
	}
	var last []byte
	reader := bufio.NewReader(answer.Body)
	for {
		text, err := reader.ReadBytes('\n')
		if len(text) > 0 {
			last = text
		}
		if err != nil {
			break
		}
	}
	var told struct {
		Done     bool
		Recorded int
		Refused  int
	}
	if err := json.Unmarshal(last, &told); err != nil {
		return 0, err
	}
	if !told.Done || told.Refused > 0 {
		return told.Recorded, fmt.Errorf("%s", bytes.TrimSpace(last))
	}
	return told.Recorded, nil
}
