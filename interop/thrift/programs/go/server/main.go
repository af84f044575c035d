// All methods of the contract with the Go library. Prints its port.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"conformance"
	"interop/dialects"

	"github.com/apache/thrift/lib/go/thrift"
)

type handler struct {
	lock  sync.Mutex
	noted map[string]int32
}

func (h *handler) Ping(context.Context) error                                   { return nil }
func (h *handler) Describe(context.Context) (string, error)                     { return "go", nil }
func (h *handler) EchoBool(_ context.Context, value bool) (bool, error)         { return value, nil }
func (h *handler) EchoTiny(_ context.Context, value int8) (int8, error)         { return value, nil }
func (h *handler) EchoShort(_ context.Context, value int16) (int16, error)      { return value, nil }
func (h *handler) EchoMiddle(_ context.Context, value int32) (int32, error)     { return value, nil }
func (h *handler) EchoLong(_ context.Context, value int64) (int64, error)       { return value, nil }
func (h *handler) EchoDouble(_ context.Context, value float64) (float64, error) { return value, nil }
func (h *handler) EchoString(_ context.Context, value string) (string, error)   { return value, nil }
func (h *handler) EchoBinary(_ context.Context, value []byte) ([]byte, error)   { return value, nil }
func (h *handler) EchoColor(_ context.Context, value conformance.Color) (conformance.Color, error) {
	return value, nil
}
func (h *handler) EchoMoment(_ context.Context, value conformance.Moment) (conformance.Moment, error) {
	return value, nil
}
func (h *handler) EchoScalars(_ context.Context, value *conformance.Scalars) (*conformance.Scalars, error) {
	return value, nil
}
func (h *handler) EchoSpread(_ context.Context, value *conformance.Spread) (*conformance.Spread, error) {
	return value, nil
}
func (h *handler) EchoContainers(_ context.Context, value *conformance.Containers) (*conformance.Containers, error) {
	return value, nil
}
func (h *handler) EchoChoice(_ context.Context, value *conformance.Choice) (*conformance.Choice, error) {
	return value, nil
}
func (h *handler) EchoTree(_ context.Context, value *conformance.Tree) (*conformance.Tree, error) {
	return value, nil
}
func (h *handler) EchoChain(_ context.Context, value *conformance.Chain) (*conformance.Chain, error) {
	return value, nil
}
func (h *handler) EchoDefaults(_ context.Context, value *conformance.Defaults) (*conformance.Defaults, error) {
	return value, nil
}
func (h *handler) MakeDefaults(context.Context) (*conformance.Defaults, error) {
	return conformance.NewDefaults(), nil
}
func (h *handler) EchoOptionals(_ context.Context, value *conformance.Optionals) (*conformance.Optionals, error) {
	return value, nil
}
func (h *handler) EchoNarrow(_ context.Context, value *conformance.Narrow) (*conformance.Narrow, error) {
	return value, nil
}
func (h *handler) EchoEverything(_ context.Context, value *conformance.Everything) (*conformance.Everything, error) {
	return value, nil
}
func (h *handler) EchoFlags(_ context.Context, value []bool) ([]bool, error)   { return value, nil }
func (h *handler) EchoList(_ context.Context, value []int32) ([]int32, error)  { return value, nil }
func (h *handler) EchoSet(_ context.Context, value []string) ([]string, error) { return value, nil }
func (h *handler) EchoMap(_ context.Context, value map[string]int32) (map[string]int32, error) {
	return value, nil
}
func (h *handler) EchoColorMap(_ context.Context, value map[conformance.Color]string) (map[conformance.Color]string, error) {
	return value, nil
}
func (h *handler) EchoLongMap(_ context.Context, value map[int64]string) (map[int64]string, error) {
	return value, nil
}
func (h *handler) EchoKeyMap(_ context.Context, value map[*conformance.Key]string) (map[*conformance.Key]string, error) {
	return value, nil
}
func (h *handler) EchoNested(_ context.Context, value map[string][][]int32) (map[string][][]int32, error) {
	return value, nil
}

func (h *handler) Collect(
	_ context.Context, flag bool, tiny int8, short int16, middle int32, long int64, real float64,
	text string, raw []byte, color conformance.Color, words conformance.Words, small *conformance.Small,
) (*conformance.Arguments, error) {
	return &conformance.Arguments{
		Flag: flag, Tiny: tiny, Short_: short, Middle: middle, Long_: long, Real: real,
		Text: text, Raw: raw, Color: color, Words: words, Small: small,
	}, nil
}

func (h *handler) Attempt(ctx context.Context, how int32) (int32, error) {
	return 1, h.Demand(ctx, how)
}

func (h *handler) Demand(_ context.Context, how int32) error {
	switch how {
	case 1:
		return &conformance.Refused{Reason: "no", Code: 7}
	case 2:
		return &conformance.Broken{Detail: &conformance.Small{Number: 1, Text: "it"}, Steps: []string{"a", "b"}}
	case 3:
		return errors.New("not declared")
	}
	return nil
}

func (h *handler) Note(_ context.Context, key string, amount int32) error {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.noted[key] += amount
	return nil
}

func (h *handler) Noted(_ context.Context, key string) (int32, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.noted[key], nil
}

func main() {
	options := dialects.Parse()
	var processor thrift.TProcessor = conformance.NewConformanceProcessor(&handler{noted: map[string]int32{}})
	if options.Multiplex != "" {
		several := thrift.NewTMultiplexedProcessor()
		several.RegisterProcessor(options.Multiplex, processor)
		processor = several
	}
	if options.Transport == "http" || options.Transport == "https" {
		listener, err := net.Listen("tcp", "127.0.0.1:"+options.Address)
		if err != nil {
			panic(err)
		}
		if options.Transport == "https" {
			listener = tls.NewListener(listener, options.Server())
		}
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		serve := thrift.NewThriftHandlerFunc(processor, options.Protocols(), options.Protocols())
		panic(http.Serve(listener, http.HandlerFunc(serve)))
	}
	listener, port := listen(options)
	fmt.Println(port)
	panic(thrift.NewTSimpleServer4(processor, listener, options.Transports(), options.Protocols()).Serve())
}

// listen returns a listener and its port.
func listen(options dialects.Options) (thrift.TServerTransport, int) {
	if options.Transport == "tls" {
		// The library does not say which port the system chose: one that was free a moment ago.
		probe, err := net.Listen("tcp", "127.0.0.1:"+options.Address)
		if err != nil {
			panic(err)
		}
		address := probe.Addr().(*net.TCPAddr)
		probe.Close()
		listener, err := thrift.NewTSSLServerSocket(address.String(), options.Server())
		if err != nil {
			panic(err)
		}
		if err := listener.Listen(); err != nil {
			panic(err)
		}
		return listener, address.Port
	}
	listener, err := thrift.NewTServerSocket("127.0.0.1:" + options.Address)
	if err != nil {
		panic(err)
	}
	if err := listener.Listen(); err != nil {
		panic(err)
	}
	return listener, listener.Addr().(*net.TCPAddr).Port
}
