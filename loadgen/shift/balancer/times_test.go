package balancer

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBuckets(t *testing.T) {
	if Upper(0) != 100*time.Microsecond || Upper(lastBucket) < 2*time.Minute || Upper(lastBucket) != Upper(lastBucket+9) || Upper(-1) != Upper(0) {
		t.Errorf("buckets go from %v to %v", Upper(0), Upper(lastBucket))
	}
	for b := range lastBucket + 1 {
		if got := bucketOf(Upper(b)); got != b {
			t.Fatalf("the upper end of bucket %d is in bucket %d", b, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(10*time.Minute)).Draw(t, "d"))
		b := bucketOf(d)
		switch {
		case d > Upper(lastBucket):
			if b != lastBucket {
				t.Fatalf("%v is in bucket %d, want the last", d, b)
			}
		case d > Upper(b), b > 0 && d <= Upper(b-1), b > 0 && float64(Upper(b)) > 1.041*float64(d):
			t.Fatalf("%v is in bucket %d, up to %v", d, b, Upper(b))
		}
	})
}
