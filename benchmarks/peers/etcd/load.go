// Load for etcd: writes or reads through etcd's own Go client, and prints figures as JSON, one object a line.
//
//	load -endpoints http://127.0.0.1:2379 -operation put -clients 16 -size 100 -keys 1000 -seconds 4
//	load -endpoints URL,URL,URL -operation steady -interval 10ms
//
// put, get: a closed loop. Each client sends its next request when the last is answered. It prints `begin` after the
// warm-up, then the figures of what ended within the measured seconds. get is linearizable, as is the client's default.
//
// steady: starts a write every interval, whether or not the others are answered (an open loop). It prints `ready` after
// the first acknowledged write. For each line `mark` on its standard input it prints one object: the time from the mark
// to the first acknowledgement of a write that was started after the mark.
//
// It ends when its standard input does, so it never outlives the benchmark.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.uber.org/zap"
)

const attemptTimeout = 10 * time.Second // as long as a call of coterie's client takes at most

var (
	endpoints   = flag.String("endpoints", "", "URLs of members, separated by commas")
	operation   = flag.String("operation", "put", "put, get or steady")
	clients     = flag.Int("clients", 1, "concurrent clients, each with one request in flight")
	connections = flag.Int("connections", 1, "connections (clientv3.Client) that the clients share, in turn")
	size        = flag.Int("size", 100, "bytes of a value")
	keys        = flag.Int("keys", 1000, "number of keys, drawn at random for each request")
	warmUp      = flag.Duration("warm-up", time.Second, "load before the measurement")
	measured    = flag.Duration("seconds", 4*time.Second, "length of the measurement")
	interval    = flag.Duration("interval", 10*time.Millisecond, "time between the starts of two steady writes")
)

// Figures is what a closed loop prints; latencies are in milliseconds.
type Figures struct {
	Count  int     `json:"count"`
	PerS   float64 `json:"per_s"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
	Errors int64   `json:"errors"`
	CPU    float64 `json:"cpu_s"` // processor time of this program within the measurement
}

func main() {
	flag.Parse()
	opened := connect()
	switch *operation {
	case "put", "get":
		go endWithInput()
		closedLoop(opened)
	case "steady":
		steady(opened[0])
	default:
		log.Fatalf("-operation %q: put, get or steady", *operation)
	}
}

func connect() []*clientv3.Client {
	quiet := zap.NewProductionConfig()
	quiet.Level = zap.NewAtomicLevelAt(zap.ErrorLevel) // a failed write is counted, and is expected in a failover
	config := clientv3.Config{Endpoints: strings.Split(*endpoints, ","), DialTimeout: attemptTimeout, LogConfig: &quiet}
	opened := make([]*clientv3.Client, *connections)
	for at := range opened {
		client, err := clientv3.New(config)
		if err != nil {
			log.Fatal(err)
		}
		opened[at] = client
	}
	return opened
}

func endWithInput() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
	}
	os.Exit(1)
}

func key(number int) string { return fmt.Sprintf("key-%d", number) }

func put(client *clientv3.Client, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	defer cancel()
	_, err := client.Put(ctx, key, value)
	return err
}

func get(client *clientv3.Client, key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	defer cancel()
	answer, err := client.Get(ctx, key)
	if err == nil && len(answer.Kvs) != 1 {
		err = fmt.Errorf("no value of %s", key)
	}
	return err
}

func closedLoop(opened []*clientv3.Client) {
	value := strings.Repeat("v", *size)
	writeAllKeys(opened, value)
	begin := time.Now().Add(*warmUp)
	end := begin.Add(*measured)
	latencies := make([][]time.Duration, *clients)
	var failed int64
	var running sync.WaitGroup
	for number := 0; number < *clients; number++ {
		running.Add(1)
		go func(number int) {
			defer running.Done()
			client, random := opened[number%len(opened)], rand.New(rand.NewSource(int64(number)))
			for sent := time.Now(); sent.Before(end); sent = time.Now() {
				var err error
				if *operation == "put" {
					err = put(client, key(random.Intn(*keys)), value)
				} else {
					err = get(client, key(random.Intn(*keys)))
				}
				done := time.Now()
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					atomic.AddInt64(&failed, 1)
				} else if !done.Before(begin) && done.Before(end) {
					latencies[number] = append(latencies[number], done.Sub(sent))
				}
			}
		}(number)
	}
	time.Sleep(time.Until(begin))
	fmt.Println("begin")
	cpu := cpuSeconds()
	time.Sleep(time.Until(end))
	cpu = cpuSeconds() - cpu
	running.Wait()
	say(figures(latencies, failed, cpu))
}

// writeAllKeys gives each key its first value, so that every read finds one; up to 64 writes at once.
func writeAllKeys(opened []*clientv3.Client, value string) {
	slots := make(chan struct{}, 64)
	var running sync.WaitGroup
	for number := 0; number < *keys; number++ {
		slots <- struct{}{}
		running.Add(1)
		go func(number int) {
			defer running.Done()
			if err := put(opened[number%len(opened)], key(number), value); err != nil {
				log.Fatal(err)
			}
			<-slots
		}(number)
	}
	running.Wait()
}

func figures(latencies [][]time.Duration, failed int64, cpu float64) Figures {
	var all []float64
	for _, some := range latencies {
		for _, one := range some {
			all = append(all, one.Seconds()*1000)
		}
	}
	sort.Float64s(all)
	if len(all) == 0 {
		log.Fatalf("no request ended within the measurement; %d failed", failed)
	}
	return Figures{
		Count: len(all), PerS: float64(len(all)) / measured.Seconds(), Errors: failed, CPU: cpu,
		P50: percentile(all, 50), P95: percentile(all, 95), P99: percentile(all, 99), Max: all[len(all)-1],
	}
}

// percentile returns the smallest value that at least that many percent of the sorted values do not exceed.
func percentile(sorted []float64, percent int) float64 {
	at := (len(sorted)*percent+99)/100 - 1
	if at < 0 {
		at = 0
	}
	return sorted[at]
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func say(object interface{}) {
	line, err := json.Marshal(object)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

// Marks holds the time of the last mark, until a write that was started after it is acknowledged.
type Marks struct {
	mutex    sync.Mutex
	marked   time.Time
	isWaited bool
}

func (marks *Marks) mark() {
	marks.mutex.Lock()
	defer marks.mutex.Unlock()
	marks.marked, marks.isWaited = time.Now(), true
}

func (marks *Marks) acknowledged(started time.Time) {
	marks.mutex.Lock()
	defer marks.mutex.Unlock()
	if marks.isWaited && !started.Before(marks.marked) {
		marks.isWaited = false
		say(map[string]float64{"recovered_s": time.Since(marks.marked).Seconds()})
	}
}

func steady(client *clientv3.Client) {
	value, marks := strings.Repeat("v", *size), &Marks{}
	for put(client, key(0), value) != nil {
		time.Sleep(*interval)
	}
	fmt.Println("ready")
	go func() {
		for number := 0; ; number++ {
			go func(number int) {
				started := time.Now()
				if put(client, key(number%*keys), value) == nil {
					marks.acknowledged(started)
				}
			}(number)
			time.Sleep(*interval)
		}
	}()
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		if input.Text() == "mark" {
			marks.mark()
		}
	}
}
