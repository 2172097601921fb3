package door

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Trust is the TLS of a client that trusts the authorities in the file ca, the
// system's own where it is empty, and shows the certificate in cert with key, if
// one is named. All are PEM.
func Trust(ca, cert, key string) (*tls.Config, error) {
	config := &tls.Config{}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
