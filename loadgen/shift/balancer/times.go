package balancer

import (
	"math"
	"time"
)

// Answer times are counted in buckets that are 4 % wide: 357 of them reach from
// 100 us to 2 min, and a percentile is read within 4 %.
const (
	firstBucket = 100 * time.Microsecond
	lastBucket  = 357
	bucketRatio = 1.04
)

// Upper is the longest time in a bucket of [Server.Times]; the last bucket also
// has all that took longer.
func Upper(bucket int) time.Duration {
	bucket = min(max(bucket, 0), lastBucket)
	return time.Duration(math.Round(float64(firstBucket) * math.Pow(bucketRatio, float64(bucket))))
}

// bucketOf is the bucket of a time.
func bucketOf(d time.Duration) int {
	if d <= firstBucket {
		return 0
	}
	b := int(math.Log(float64(d)/float64(firstBucket)) / math.Log(bucketRatio))
	for b < lastBucket && Upper(b) < d { // the logarithm may be off by its last bit
		b++
	}
	return min(b, lastBucket)
}
