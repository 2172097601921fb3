package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// webConfig has the agent serve TLS, and stream to those whom the authority
// vouches for.
const webConfig = `tls_server_config:
  cert_file: /etc/agent.pem
  key_file: /etc/agent.key
  client_auth_type: VerifyClientCertIfGiven
  client_ca_file: /etc/ca.pem
`

// writeKeys makes an authority and what it signs, for the agent and a client of
// it, writes all of it into folder and returns it by name.
func writeKeys(folder string) (map[string][]byte, error) {
	authority := certificate("authority")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	ca, err := sign(authority, nil)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"ca.pem": ca.pem}
	for name, use := range map[string]x509.ExtKeyUsage{"agent": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth} {
		c := certificate(name)
		c.ExtKeyUsage, c.IPAddresses = []x509.ExtKeyUsage{use}, []net.IP{net.IPv4(127, 0, 0, 1)}
		pair, err := sign(c, ca)
		if err != nil {
			return nil, err
		}
		files[name+".pem"], files[name+".key"] = pair.pem, pair.keyPEM
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// certificate is one of a name. Whether the guest knows what day it is does not
// matter to it.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "saturate's test bed: " + name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// A pair is a certificate and its key.
type pair struct {
	cert        *x509.Certificate
	key         *ecdsa.PrivateKey
	pem, keyPEM []byte
}

// sign has by, or nil for itself, sign a certificate for a new key.
func sign(c *x509.Certificate, by *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if by == nil {
		by = &pair{cert: c, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &pair{
		cert: c, key: key,
		pem:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
