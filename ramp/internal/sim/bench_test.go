package sim

import "testing"

func BenchmarkWindow(b *testing.B) {
	for _, st := range Strata() {
		b.Run(st.Short(), func(b *testing.B) {
			var rate, sent float64
			n := 20
			servers := make([]*Server, n)
			for i := range servers {
				servers[i] = New(st, uint64(i))
				rate += .95 * servers[i].p.Nominal / float64(n)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				s := servers[i%n]
				sent += float64(s.Window(.95 * s.p.Nominal).Sent)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
			b.ReportMetric(sent/b.Elapsed().Seconds()/1e6, "Mreq/s")
			b.ReportMetric(rate, "req/s")
		})
	}
}
