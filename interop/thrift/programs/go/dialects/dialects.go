// Package dialects has the transports and protocols of the Go library, by the names that the harness uses.
package dialects

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// Options are what a program is called with.
type Options struct {
	Address, Transport, Protocol, Multiplex, CA string
	without                                     string
}

// Parse reads the command line: the address first.
func Parse() Options {
	options := Options{Address: os.Args[1]}
	flags := flag.NewFlagSet("", flag.ExitOnError)
	flags.StringVar(&options.Transport, "transport", "buffered", "")
	flags.StringVar(&options.Protocol, "protocol", "binary", "")
	flags.StringVar(&options.CA, "ca", "", "")
	flags.StringVar(&options.Multiplex, "multiplex", "", "")
	flags.StringVar(&options.without, "without", "", "")
	_ = flags.Parse(os.Args[2:])
	return options
}

// IsWithout says whether a check is not worth trying.
func (o Options) IsWithout(check string) bool {
	for _, pattern := range strings.Split(o.without, ",") {
		if fits, _ := path.Match(pattern, check); fits {
			return true
		}
	}
	return false
}

func (o Options) configuration() *thrift.TConfiguration {
	configuration := &thrift.TConfiguration{
		ConnectTimeout:     10 * time.Second,
		SocketTimeout:      10 * time.Second,
		TBinaryStrictWrite: thrift.BoolPtr(o.Protocol != "binary-old"),
	}
	id := thrift.THeaderProtocolBinary
	if o.Protocol == "compact" {
		id = thrift.THeaderProtocolCompact
	}
	configuration.THeaderProtocolID = thrift.THeaderProtocolIDPtrMust(id)
	// Here and not at the socket: what is around it gives it this configuration again.
	if o.CA != "" {
		certificates, err := os.ReadFile(o.CA)
		if err != nil {
			panic(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(certificates)
		configuration.TLSConfig = &tls.Config{RootCAs: roots}
	}
	return configuration
}

// Server is what a server within TLS shows, and asks for. Its files are beside those of the authority.
func (o Options) Server() *tls.Config {
	certificate, err := tls.LoadX509KeyPair(o.beside("server.pem"), o.beside("server.key"))
	if err != nil {
		panic(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    o.configuration().TLSConfig.RootCAs,
	}
}

func (o Options) beside(name string) string {
	return filepath.Join(filepath.Dir(o.CA), name)
}

// Protocols is the protocol factory.
func (o Options) Protocols() thrift.TProtocolFactory {
	if o.Transport == "header" {
		return thrift.NewTHeaderProtocolFactoryConf(o.configuration())
	}
	switch o.Protocol {
	case "binary", "binary-old":
		return thrift.NewTBinaryProtocolFactoryConf(o.configuration())
	case "compact":
		return thrift.NewTCompactProtocolFactoryConf(o.configuration())
	case "json":
		return thrift.NewTJSONProtocolFactory()
	}
	panic("the Go library has no protocol " + o.Protocol)
}

// Transports is the transport factory, for everything but HTTP.
func (o Options) Transports() thrift.TTransportFactory {
	switch o.Transport {
	case "buffered":
		return thrift.NewTBufferedTransportFactory(8192)
	case "framed", "tls", "unix":
		return thrift.NewTFramedTransportFactoryConf(thrift.NewTTransportFactory(), o.configuration())
	case "zlib":
		return thrift.NewTZlibTransportFactory(6)
	case "header":
		return thrift.NewTHeaderTransportFactoryConf(thrift.NewTBufferedTransportFactory(8192), o.configuration())
	}
	panic("the Go library has no transport " + o.Transport)
}

func (o Options) socket() thrift.TTransport {
	configuration := o.configuration()
	switch o.Transport {
	case "tls":
		return thrift.NewTSSLSocketConf(o.Address, configuration)
	case "unix":
		return thrift.NewTSocketFromAddrConf(&net.UnixAddr{Name: o.Address, Net: "unix"}, configuration)
	}
	return thrift.NewTSocketConf(o.Address, configuration)
}

// Connect opens a connection.
func (o Options) Connect() (thrift.TTransport, thrift.TClient, error) {
	var transport thrift.TTransport
	var err error
	if o.Transport == "http" || o.Transport == "https" {
		client := &http.Client{Timeout: 10 * time.Second}
		if o.Transport == "https" {
			client.Transport = &http.Transport{TLSClientConfig: o.configuration().TLSConfig}
		}
		options := thrift.THttpClientOptions{Client: client}
		transport, err = thrift.NewTHttpClientWithOptions(fmt.Sprintf("%s://%s/thrift", o.Transport, o.Address), options)
	} else {
		transport, err = o.Transports().GetTransport(o.socket())
	}
	if err != nil {
		return nil, nil, err
	}
	if err := transport.Open(); err != nil {
		return nil, nil, err
	}
	in, out := o.Protocols().GetProtocol(transport), o.Protocols().GetProtocol(transport)
	if o.Transport == "header" {
		// Both directions share what the transport knows.
		out = in
	}
	if o.Multiplex != "" {
		out = thrift.NewTMultiplexedProtocol(out, o.Multiplex)
	}
	return transport, thrift.NewTStandardClient(in, out), nil
}
