/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three-byte opcodes 0F 38 xx and 0F 3A xx (SDM volume 2, tables ), legacy encoding. */
#include "target/i386/decode-tables.h"

/* clang-format off */

#define SSSE3(mn)        PP(MMX(SSSE3, mn, (RW Pq, Qq)), S(SSSE3, T4, mn, (RW Vdq, Wdq), ), UD, UD)
#define SSSE3_1(mn)      PP(MMX(SSSE3, mn, (W Pq, Qq)), S(SSSE3, T4, mn, (W Vdq, Wdq), ), UD, UD)
#define X41(mn, opnds)   P66(S(SSE41, T4, mn, opnds, ))
#define X41_5(mn, opnds) P66(S(SSE41, T5, mn, opnds, ))
#define X42(mn, opnds)   P66(S(SSE42, T4, mn, opnds, ))
#define AESF(mn, opnds)  P66(S(AES, T4, mn, opnds, ))
#define SHAF(mn, opnds)  NP(S(SHA, T4U, mn, opnds, )) /* not checked for alignment, as by AMD's CPUs */

const Node decode_38[256] = {
    [0x00] = SSSE3("pshufb"), [0x01] = SSSE3("phaddw"), [0x02] = SSSE3("phaddd"), [0x03] = SSSE3("phaddsw"), [0x04] = SSSE3("pmaddubsw"),
    [0x05] = SSSE3("phsubw"),
    [0x06] = SSSE3("phsubd"), [0x07] = SSSE3("phsubsw"), [0x08] = SSSE3("psignb"), [0x09] = SSSE3("psignw"), [0x0a] = SSSE3("psignd"),
    [0x0b] = SSSE3("pmulhrsw"),
    [0x10] = X41("pblendvb", (RW Vdq, Wdq, XMM0)), [0x14] = X41("blendvps", (RW Vdq, Wdq, XMM0)),
    [0x15] = X41("blendvpd", (RW Vdq, Wdq, XMM0)),
    [0x17] = P66(S(SSE41, T4, "ptest", (Vdq, Wdq), FW(ARITH))),
    [0x1c] = SSSE3_1("pabsb"), [0x1d] = SSSE3_1("pabsw"), [0x1e] = SSSE3_1("pabsd"),
    [0x20] = X41_5("pmovsxbw", (W Vdq, Wq)), [0x21] = X41_5("pmovsxbd", (W Vdq, Wd)), [0x22] = X41_5("pmovsxbq", (W Vdq, Ww)),
    [0x23] = X41_5("pmovsxwd", (W Vdq, Wq)), [0x24] = X41_5("pmovsxwq", (W Vdq, Wd)), [0x25] = X41_5("pmovsxdq", (W Vdq, Wq)),
    [0x28] = X41("pmuldq", (RW Vdq, Wdq)), [0x29] = X41("pcmpeqq", (RW Vdq, Wdq)),
    [0x2a] = P66(MEM(S(SSE41, T1, "movntdqa", (W Vdq, Mdq), ))),
    [0x2b] = X41("packusdw", (RW Vdq, Wdq)),
    [0x30] = X41_5("pmovzxbw", (W Vdq, Wq)), [0x31] = X41_5("pmovzxbd", (W Vdq, Wd)), [0x32] = X41_5("pmovzxbq", (W Vdq, Ww)),
    [0x33] = X41_5("pmovzxwd", (W Vdq, Wq)), [0x34] = X41_5("pmovzxwq", (W Vdq, Wd)), [0x35] = X41_5("pmovzxdq", (W Vdq, Wq)),
    [0x37] = X42("pcmpgtq", (RW Vdq, Wdq)), [0x38] = X41("pminsb", (RW Vdq, Wdq)), [0x39] = X41("pminsd", (RW Vdq, Wdq)),
    [0x3a] = X41("pminuw", (RW Vdq, Wdq)),
    [0x3b] = X41("pminud", (RW Vdq, Wdq)), [0x3c] = X41("pmaxsb", (RW Vdq, Wdq)), [0x3d] = X41("pmaxsd", (RW Vdq, Wdq)),
    [0x3e] = X41("pmaxuw", (RW Vdq, Wdq)),
    [0x3f] = X41("pmaxud", (RW Vdq, Wdq)), [0x40] = X41("pmulld", (RW Vdq, Wdq)), [0x41] = X41("phminposuw", (W Vdq, Wdq)),
    [0x80] = P66(MEM(IF(VMX, VMCALL, "invept", INSN_END, 0, (Gn, Mdq), ))),
    [0x81] = P66(MEM(IF(VMX, VMCALL, "invvpid", INSN_END, 0, (Gn, Mdq), ))),
    [0x82] = P66(MEM(IF(INVPCID, INVPCID, "invpcid", INSN_CPL0 | INSN_END | INSN_SERIALIZE, 0, (Gn, Mdq), ))),
    [0xc8] = SHAF("sha1nexte", (RW Vdq, Wdq)), [0xc9] = SHAF("sha1msg1", (RW Vdq, Wdq)), [0xca] = SHAF("sha1msg2", (RW Vdq, Wdq)),
    [0xcb] = SHAF("sha256rnds2", (RW Vdq, Wdq, XMM0)), [0xcc] = SHAF("sha256msg1", (RW Vdq, Wdq)),
    [0xcd] = SHAF("sha256msg2", (RW Vdq, Wdq)),
    [0xcf] = P66(S(GFNI, T4, "gf2p8mulb", (RW Vdq, Wdq), )),
    [0xdb] = AESF("aesimc", (W Vdq, Wdq)), [0xdc] = AESF("aesenc", (RW Vdq, Wdq)), [0xdd] = AESF("aesenclast", (RW Vdq, Wdq)),
    [0xde] = AESF("aesdec", (RW Vdq, Wdq)),
    [0xdf] = AESF("aesdeclast", (RW Vdq, Wdq)),
    [0xf0] = PP(MEM(IF(MOVBE, MOVBE, "movbe", 0, 0, (W Gv, Mv), )), MEM(IF(MOVBE, MOVBE, "movbe", 0, 0, (W Gv, Mv), )), UD,
                H(SSE42, "crc32", 0, 0, (RW Gy, Eb), )),
    [0xf1] = PP(MEM(IF(MOVBE, MOVBE, "movbe", 0, 0, (W Mv, Gv), )), MEM(IF(MOVBE, MOVBE, "movbe", 0, 0, (W Mv, Gv), )), UD,
                H(SSE42, "crc32", 0, 0, (RW Gy, Ev), )),
    [0xf6] = PP(UD, H(ADX, "adcx", 0, 0, (RW Gy, Ey), FR(CF), FW(CF)), H(ADX, "adox", 0, 0, (RW Gy, Ey), FR(OF), FW(OF)), UD),
    [0xf9] = NP(MEM(IF(MOVDIRI, MOV, "movdiri", 0, 0, (W My, Gy), ))),
};

const Node decode_3a[256] = {
    [0x08] = P66(S(SSE41, T2, "roundps", (W Vdq, Wdq, Ib), )), [0x09] = P66(S(SSE41, T2, "roundpd", (W Vdq, Wdq, Ib), )),
    [0x0a] = P66(S(SSE41, T3, "roundss", (W Vd, Wd, Ib), )), [0x0b] = P66(S(SSE41, T3, "roundsd", (W Vq, Wq, Ib), )),
    [0x0c] = X41("blendps", (RW Vdq, Wdq, Ib)), [0x0d] = X41("blendpd", (RW Vdq, Wdq, Ib)), [0x0e] = X41("pblendw", (RW Vdq, Wdq, Ib)),
    [0x0f] = PP(MMX(SSSE3, "palignr", (RW Pq, Qq, Ib)), S(SSSE3, T4, "palignr", (RW Vdq, Wdq, Ib), ), UD, UD),
    [0x14] = X41_5("pextrb", (W EdMb, Vdq, Ib)), [0x15] = X41_5("pextrw", (W EdMw, Vdq, Ib)),
    [0x16] = P66(WV(S(SSE41, T5, "pextrd", (W Ey, Vdq, Ib), ), S(SSE41, T5, "pextrq", (W Ey, Vdq, Ib), ))),
    [0x17] = X41_5("extractps", (W Ed, Vdq, Ib)),
    [0x20] = X41_5("pinsrb", (RW Vdq, EdMb, Ib)),
    [0x21] = P66(MOD(S(SSE41, T5, "insertps", (RW Vdq, Md, Ib), ), S(SSE41, T5, "insertps", (RW Vdq, Udq, Ib), ))),
    [0x22] = P66(WV(S(SSE41, T5, "pinsrd", (RW Vdq, Ey, Ib), ), S(SSE41, T5, "pinsrq", (RW Vdq, Ey, Ib), ))),
    [0x40] = P66(S(SSE41, T2, "dpps", (RW Vdq, Wdq, Ib), )), [0x41] = P66(S(SSE41, T2, "dppd", (RW Vdq, Wdq, Ib), )),
    [0x42] = X41("mpsadbw", (RW Vdq, Wdq, Ib)),
    [0x44] = P66(S(PCLMUL, T4, "pclmulqdq", (RW Vdq, Wdq, Ib), )),
    [0x60] = P66(S(SSE42, T4U, "pcmpestrm", (Vdq, Wdq, Ib), FW(ARITH), GR(gAX | gDX))),
    [0x61] = P66(S(SSE42, T4U, "pcmpestri", (Vdq, Wdq, Ib), FW(ARITH), GR(gAX | gDX), GW(gCX))),
    [0x62] = P66(S(SSE42, T4U, "pcmpistrm", (Vdq, Wdq, Ib), FW(ARITH))),
    [0x63] = P66(S(SSE42, T4U, "pcmpistri", (Vdq, Wdq, Ib), FW(ARITH), GW(gCX))),
    [0xcc] = SHAF("sha1rnds4", (RW Vdq, Wdq, Ib)), [0xce] = P66(S(GFNI, T4, "gf2p8affineqb", (RW Vdq, Wdq, Ib), )),
    [0xcf] = P66(S(GFNI, T4, "gf2p8affineinvqb", (RW Vdq, Wdq, Ib), )), [0xdf] = AESF("aeskeygenassist", (W Vdq, Wdq, Ib)),
};
