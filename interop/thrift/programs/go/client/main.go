// All checks with the Go library, against the server at an address.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"conformance"
	"interop/dialects"
	"newer"

	"github.com/apache/thrift/lib/go/thrift"
)

var (
	options   = dialects.Parse()
	ctx       = context.Background()
	transport thrift.TTransport
	c         *conformance.ConformanceClient
	later     *newer.LaterClient
)

func reopen() {
	if transport != nil {
		_ = transport.Close()
	}
	opened, client, err := options.Connect()
	if err != nil {
		panic(err)
	}
	transport, c, later = opened, conformance.NewConformanceClient(client), newer.NewLaterClient(client)
}

func clip(value any) string {
	text := fmt.Sprintf("%+v", value)
	if len(text) > 300 {
		return text[:300]
	}
	return text
}

func same(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%s is not %s", clip(found), clip(wanted)))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

func echoes[T any](call func(context.Context, T) (T, error), values ...T) {
	for _, value := range values {
		same(must(call(ctx, value)), value)
	}
}

// A set is a slice here; servers have it in an order of their own.
func sorted[T int32 | string | conformance.Color](set []T) []T {
	copied := append([]T{}, set...)
	sort.Slice(copied, func(i, j int) bool { return copied[i] < copied[j] })
	return copied
}

func sortedNested(nested map[string][][]int32) map[string][][]int32 {
	copied := map[string][][]int32{}
	for key, list := range nested {
		copied[key] = [][]int32{}
		for _, set := range list {
			copied[key] = append(copied[key], sorted(set))
		}
	}
	return copied
}

func sortedContainers(value *conformance.Containers) *conformance.Containers {
	copied := *value
	copied.Words, copied.Colors, copied.Nested = sorted(value.Words), sorted(value.Colors), sortedNested(value.Nested)
	return &copied
}

func refused(err error) {
	var refused *conformance.Refused
	if !errors.As(err, &refused) {
		panic(fmt.Sprintf("%v instead of Refused", err))
	}
	same(refused, &conformance.Refused{Reason: "no", Code: 7})
}

func broken(err error) {
	var broken *conformance.Broken
	if !errors.As(err, &broken) {
		panic(fmt.Sprintf("%v instead of Broken", err))
	}
	same(broken, &conformance.Broken{Detail: &conformance.Small{Number: 1, Text: "it"}, Steps: []string{"a", "b"}})
}

func application(err error) thrift.TApplicationException {
	var exception thrift.TApplicationException
	if !errors.As(err, &exception) {
		panic(fmt.Sprintf("%v instead of TApplicationException", err))
	}
	return exception
}

func count(from, to int32) []int32 {
	numbers := []int32{}
	for number := from; number < to; number++ {
		numbers = append(numbers, number)
	}
	return numbers
}

func everyByte() []byte {
	every := make([]byte, 256)
	for index := range every {
		every[index] = byte(index)
	}
	return every
}

var checks = []struct {
	name string
	run  func()
}{
	{"ping", func() { done(c.Ping(ctx)) }},
	{"describe", func() {
		if must(c.Describe(ctx)) == "" {
			panic("the server has no name")
		}
	}},
	{"bools", func() { echoes(c.EchoBool, true, false) }},
	{"tiny", func() { echoes(c.EchoTiny, 0, 1, -1, 127, -128) }},
	{"short", func() { echoes(c.EchoShort, 0, 1, -1, 32767, -32768) }},
	{"middle", func() { echoes(c.EchoMiddle, 0, 1, -1, math.MaxInt32, math.MinInt32) }},
	{"long", func() {
		echoes(c.EchoLong, 0, 1, -1, 1<<53, -(1<<53)-1, math.MaxInt64, math.MinInt64)
		echoes(c.EchoMoment, 1_700_000_000_000)
	}},
	{"doubles", func() {
		echoes(c.EchoDouble, 0, 1.5, -1e300, math.SmallestNonzeroFloat64, math.MaxFloat64, 0.1)
	}},
	{"special_doubles", func() {
		echoes(c.EchoDouble, math.Inf(1), math.Inf(-1))
		if !math.IsNaN(must(c.EchoDouble(ctx, math.NaN()))) {
			panic("not NaN")
		}
	}},
	{"negative_zero", func() {
		same(math.Float64bits(must(c.EchoDouble(ctx, math.Copysign(0, -1)))), uint64(1)<<63)
	}},
	{"strings", func() {
		echoes(c.EchoString, "", "plain", "Ünïcödé 漢字 𝄞", `a "quote", a back\slash and a /`)
	}},
	{"control_characters", func() { echoes(c.EchoString, "\n\t\r\b\f", "\x01\x1f\x7f") }},
	{"nul_character", func() { echoes(c.EchoString, "nul\x00inside") }},
	{"binaries", func() { echoes(c.EchoBinary, []byte{}, []byte{0}, []byte{255, 254}, everyByte()) }},
	{"large_string", func() { echoes(c.EchoString, strings.Repeat("0123456789abcdeü", 65536)) }},
	{"large_binary", func() { echoes(c.EchoBinary, bytes.Repeat(everyByte(), 4096)) }},
	{"enums", func() {
		echoes(c.EchoColor, conformance.Color_RED, conformance.Color_GREEN, conformance.Color_BLUE)
	}},
	{"scalars", func() { echoes(c.EchoScalars, conformance.EXTREMES) }},
	{"spread", func() { echoes(c.EchoSpread, conformance.SPREAD) }},
	{"containers", func() {
		found := must(c.EchoContainers(ctx, conformance.CONTAINERS))
		same(sortedContainers(found), sortedContainers(conformance.CONTAINERS))
	}},
	{"empty_containers", func() {
		echoes(c.EchoContainers, conformance.EMPTY)
		echoes(c.EchoList, []int32{})
		echoes(c.EchoSet, []string{})
		echoes(c.EchoMap, map[string]int32{})
	}},
	{"lists", func() { echoes(c.EchoList, []int32{1}, count(0, 14), count(0, 15), count(-8, 8)) }},
	{"flags", func() {
		echoes(c.EchoFlags, []bool{true}, []bool{false}, []bool{true, false, true, true, false})
	}},
	{"long_list", func() {
		numbers := count(0, 50_000)
		for index := range numbers {
			numbers[index] *= 7919
		}
		echoes(c.EchoList, numbers)
	}},
	{"sets", func() {
		for _, set := range [][]string{{"a"}, {"", "b", "ü"}} {
			same(sorted(must(c.EchoSet(ctx, set))), set)
		}
	}},
	{"maps", func() {
		echoes(c.EchoMap, map[string]int32{"a": 1}, map[string]int32{"b": 0, "zwölf": 12, "\"": -1})
	}},
	{"empty_key", func() { echoes(c.EchoMap, map[string]int32{"": 1}, map[string]int32{"": 0, "b": 2}) }},
	{"enum_keys", func() {
		echoes(c.EchoColorMap, map[conformance.Color]string{conformance.Color_RED: "red", conformance.Color_BLUE: "blue"})
	}},
	{"long_keys", func() {
		echoes(c.EchoLongMap, map[int64]string{0: "zero", -1: "before", math.MaxInt64: "last", math.MinInt64: "first"})
	}},
	{"struct_keys", func() {
		sent := map[*conformance.Key]string{{Number: 1, Text: "one"}: "1", {Number: 2}: "2"}
		same(byValue(must(c.EchoKeyMap(ctx, sent))), byValue(sent))
	}},
	{"nested", func() {
		nested := map[string][][]int32{"x": {{1, 2}, {}}, "z": {}, "y": {{-1}}}
		same(sortedNested(must(c.EchoNested(ctx, nested))), nested)
	}},
	{"unions", func() {
		text, number, flag := "a", int64(-(1 << 40)), false
		echoes(c.EchoChoice,
			&conformance.Choice{Text: &text},
			&conformance.Choice{Number: &number},
			&conformance.Choice{Small: &conformance.Small{Number: 1, Text: "b"}},
			&conformance.Choice{Numbers: []int32{1, 2}},
			&conformance.Choice{Flag: &flag},
		)
	}},
	{"recursion", func() {
		tree := &conformance.Tree{Name: "leaf", Children: []*conformance.Tree{}}
		var chain *conformance.Chain
		for level := int32(0); level < 20; level++ {
			side := &conformance.Tree{Name: "side", Children: []*conformance.Tree{}}
			tree = &conformance.Tree{Name: fmt.Sprintf("level %d", level), Children: []*conformance.Tree{tree, side}}
			chain = &conformance.Chain{Number: level, Rest: chain}
		}
		echoes(c.EchoTree, tree)
		echoes(c.EchoChain, chain)
	}},
	{"everything", func() {
		text, number, flag := "chosen", int64(1), true
		value := &conformance.Everything{
			Scalars:    conformance.EXTREMES,
			Containers: sortedContainers(conformance.CONTAINERS),
			Choice:     &conformance.Choice{Text: &text},
			Tree:       &conformance.Tree{Name: "root", Children: []*conformance.Tree{}},
			Spread:     conformance.SPREAD,
			Choices:    []*conformance.Choice{{Number: &number}, {Flag: &flag}},
		}
		found := must(c.EchoEverything(ctx, value))
		found.Containers = sortedContainers(found.Containers)
		same(found, value)
	}},
	{"defaults", func() {
		echoes(c.EchoDefaults, conformance.NewDefaults())
		same(must(c.MakeDefaults(ctx)), conformance.NewDefaults())
	}},
	{"optionals", func() {
		flag, number, text := false, int32(0), ""
		echoes(c.EchoOptionals,
			&conformance.Optionals{Always: 1},
			&conformance.Optionals{Flag: &flag, Number: &number, Text: &text, Numbers: []int32{}, Small: &conformance.Small{}},
		)
	}},
	{"arguments", func() {
		small := &conformance.Small{Number: 10, Text: "ten"}
		wanted := &conformance.Arguments{
			Flag: true, Tiny: -1, Short_: 2, Middle: -3, Long_: 4, Real: 0.5, Text: "six", Raw: []byte{7},
			Color: conformance.Color_GREEN, Words: []string{"nine"}, Small: small,
		}
		found := must(c.Collect(ctx, true, -1, 2, -3, 4, 0.5, "six", []byte{7}, conformance.Color_GREEN, []string{"nine"}, small))
		same(found, wanted)
	}},
	{"exceptions", func() {
		same(must(c.Attempt(ctx, 0)), int32(1))
		_, err := c.Attempt(ctx, 1)
		refused(err)
		_, err = c.Attempt(ctx, 2)
		broken(err)
	}},
	{"void_exceptions", func() {
		done(c.Demand(ctx, 0))
		refused(c.Demand(ctx, 1))
		broken(c.Demand(ctx, 2))
		done(c.Demand(ctx, 0))
	}},
	{"undeclared_exception", func() { application(c.Demand(ctx, 3)) }},
	{"unknown_method", func() {
		_, err := later.Added(ctx, "x")
		same(application(err).TypeId(), int32(thrift.UNKNOWN_METHOD))
		// The connection can still be used.
		echoes(c.EchoString, "after it")
	}},
	{"unknown_fields", func() {
		inner := &newer.Wide{Number: 4, Unknown: []map[int32]string{}, Text: "five", Flag: true}
		value := &newer.Wide{Number: 1, Unknown: []map[int32]string{{2: "three"}}, Text: "text", Inner: inner, Flag: true}
		found := must(later.EchoNarrow(ctx, value))
		same([]any{found.Number, found.Text}, []any{int32(1), "text"})
		echoes(c.EchoNarrow, &conformance.Narrow{Number: 2, Text: "narrow"})
	}},
	{"oneway", func() {
		key := fmt.Sprintf("go-%d-%d", os.Getpid(), time.Now().UnixNano())
		for amount := int32(1); amount <= 3; amount++ {
			done(c.Note(ctx, key, amount))
		}
		end := time.Now().Add(5 * time.Second)
		for must(c.Noted(ctx, key)) != 6 {
			if time.Now().After(end) {
				panic(fmt.Sprintf("noted %d instead of 6", must(c.Noted(ctx, key))))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}},
	{"sequence", func() {
		for number := int32(0); number < 100; number++ {
			same(must(c.EchoMiddle(ctx, number)), number)
		}
	}},
}

func byValue(keys map[*conformance.Key]string) map[conformance.Key]string {
	values := map[conformance.Key]string{}
	for key, value := range keys {
		values[*key] = value
	}
	return values
}

func attempt(run func()) (why string) {
	defer func() {
		if err := recover(); err != nil {
			why = clip(err)
		}
	}()
	run()
	return ""
}

func main() {
	failed := map[string]string{}
	reopen()
	for _, check := range checks {
		if options.IsWithout(check.name) {
			failed[check.name] = "not tried"
			continue
		}
		if why := attempt(check.run); why != "" {
			failed[check.name] = why
			// What is left on the connection is unknown.
			reopen()
		}
	}
	line := must(json.Marshal(map[string]any{"checks": len(checks), "failed": failed}))
	fmt.Println(string(line))
	if len(failed) > 0 {
		os.Exit(1)
	}
}
