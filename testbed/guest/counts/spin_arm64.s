#include "textflag.h"

// func Spin(n uint64)
TEXT ·Spin(SB), NOSPLIT|NOFRAME, $0-8
	MOVD n+0(FP), R0
loop:
	SUBS $1, R0, R0
	BNE  loop
	RET
