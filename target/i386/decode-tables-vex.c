/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VEX: the maps 0F, 0F38 and 0F3A (SDM volume 2, chapter 5 lists each encoding), and what stands for all of EVEX. */
#include "target/i386/decode-tables.h"

/* clang-format off */

#define A1(t, r, mn, opnds)  V(AVX, t, r, mn, opnds, )
#define A2(t, r, mn, opnds)  V(AVX2, t, r, mn, opnds, )
#define X3                   (W Vx, Hx, Wx)
#define PS_PD(t, mn)         PP(A1(t, 0, "v" mn "ps", X3), A1(t, 0, "v" mn "pd", X3), UD, UD)
#define PS_PD_SS_SD(mn)      PP(A1(T2, 0, "v" mn "ps", X3), A1(T2, 0, "v" mn "pd", X3), A1(T3, 0, "v" mn "ss", (W Vdq, Hdq, Wd)), A1(T3, 0, "v" mn "sd", (W Vdq, Hdq, Wq)))
#define VI3(mn)              P66(VI(T4, 0, "v" mn, X3))                  /* integer, three operands */
#define VI2(mn)              P66(VI(T4, 0, "v" mn, (W Vx, Wx)))
#define VIS(mn)              P66(VI(T4, 0, "v" mn, (W Vx, Hx, Wdq)))     /* shifts by what is in a register */
#define VSHI(mn)             P66(VI(T5, 0, "v" mn, (W Hx, Ux, Ib)))      /* by an immediate */
#define COMIS(mn, v, w)      V(AVX, T3, 0, mn, (v, w), FW(ARITH))

const Node decode_vex_0f[256] = {
    [0x10] = PP(A1(T4U, 0, "vmovups", (W Vx, Wx)), A1(T4U, 0, "vmovupd", (W Vx, Wx)),
                MOD(A1(T5, 0, "vmovss", (W Vdq, Md)), A1(T5, 0, "vmovss", (W Vdq, Hdq, Ud))),
                MOD(A1(T5, 0, "vmovsd", (W Vdq, Mq)), A1(T5, 0, "vmovsd", (W Vdq, Hdq, Uq)))),
    [0x11] = PP(A1(T4U, 0, "vmovups", (W Wx, Vx)), A1(T4U, 0, "vmovupd", (W Wx, Vx)),
                MOD(A1(T5, 0, "vmovss", (W Md, Vd)), A1(T5, 0, "vmovss", (W Udq, Hdq, Vd))),
                MOD(A1(T5, 0, "vmovsd", (W Mq, Vq)), A1(T5, 0, "vmovsd", (W Udq, Hdq, Vq)))),
    [0x12] = PP(MOD(A1(T5, R_L0, "vmovlps", (W Vdq, Hdq, Mq)), A1(T5, R_L0, "vmovhlps", (W Vdq, Hdq, Udq))),
                MEM(A1(T5, R_L0, "vmovlpd", (W Vdq, Hdq, Mq))),
                A1(T4, 0, "vmovsldup", (W Vx, Wx)), A1(T5, 0, "vmovddup", (W Vx, Wdup))),
    [0x13] = PP(MEM(A1(T5, R_L0, "vmovlps", (W Mq, Vq))), MEM(A1(T5, R_L0, "vmovlpd", (W Mq, Vq))), UD, UD),
    [0x14] = PS_PD(T4, "unpckl"), [0x15] = PS_PD(T4, "unpckh"),
    [0x16] = PP(MOD(A1(T5, R_L0, "vmovhps", (W Vdq, Hdq, Mq)), A1(T5, R_L0, "vmovlhps", (W Vdq, Hdq, Uq))),
                MEM(A1(T5, R_L0, "vmovhpd", (W Vdq, Hdq, Mq))),
                A1(T4, 0, "vmovshdup", (W Vx, Wx)), UD),
    [0x17] = PP(MEM(A1(T5, R_L0, "vmovhps", (W Mq, Vdq))), MEM(A1(T5, R_L0, "vmovhpd", (W Mq, Vdq))), UD, UD),
    [0x28] = PP(A1(T1, 0, "vmovaps", (W Vx, Wx)), A1(T1, 0, "vmovapd", (W Vx, Wx)), UD, UD),
    [0x29] = PP(A1(T1, 0, "vmovaps", (W Wx, Vx)), A1(T1, 0, "vmovapd", (W Wx, Vx)), UD, UD),
    [0x2a] = PP(UD, UD, A1(T3, 0, "vcvtsi2ss", (W Vdq, Hdq, Ey)), A1(T3, 0, "vcvtsi2sd", (W Vdq, Hdq, Ey))),
    [0x2b] = PP(MEM(A1(T1, 0, "vmovntps", (W Mx, Vx))), MEM(A1(T1, 0, "vmovntpd", (W Mx, Vx))), UD, UD),
    [0x2c] = PP(UD, UD, A1(T3, 0, "vcvttss2si", (W Gy, Wd)), A1(T3, 0, "vcvttsd2si", (W Gy, Wq))),
    [0x2d] = PP(UD, UD, A1(T3, 0, "vcvtss2si", (W Gy, Wd)), A1(T3, 0, "vcvtsd2si", (W Gy, Wq))),
    [0x2e] = PP(COMIS("vucomiss", Vd, Wd), COMIS("vucomisd", Vq, Wq), UD, UD),
    [0x2f] = PP(COMIS("vcomiss", Vd, Wd), COMIS("vcomisd", Vq, Wq), UD, UD),
    [0x50] = PP(REGF(A1(T5, 0, "vmovmskps", (W Gd, Ux))), REGF(A1(T5, 0, "vmovmskpd", (W Gd, Ux))), UD, UD),
    [0x51] = PP(A1(T2, 0, "vsqrtps", (W Vx, Wx)), A1(T2, 0, "vsqrtpd", (W Vx, Wx)), A1(T3, 0, "vsqrtss", (W Vdq, Hdq, Wd)),
                A1(T3, 0, "vsqrtsd", (W Vdq, Hdq, Wq))),
    [0x52] = PP(A1(T4, 0, "vrsqrtps", (W Vx, Wx)), UD, A1(T5, 0, "vrsqrtss", (W Vdq, Hdq, Wd)), UD),
    [0x53] = PP(A1(T4, 0, "vrcpps", (W Vx, Wx)), UD, A1(T5, 0, "vrcpss", (W Vdq, Hdq, Wd)), UD),
    [0x54] = PS_PD(T4, "and"), [0x55] = PS_PD(T4, "andn"), [0x56] = PS_PD(T4, "or"), [0x57] = PS_PD(T4, "xor"),
    [0x58] = PS_PD_SS_SD("add"), [0x59] = PS_PD_SS_SD("mul"),
    [0x5a] = PP(A1(T3, 0, "vcvtps2pd", (W Vx, Wxh)), A1(T2, 0, "vcvtpd2ps", (W Vdq, Wx)),
                A1(T3, 0, "vcvtss2sd", (W Vdq, Hdq, Wd)), A1(T3, 0, "vcvtsd2ss", (W Vdq, Hdq, Wq))),
    [0x5b] = PP(A1(T2, 0, "vcvtdq2ps", (W Vx, Wx)), A1(T2, 0, "vcvtps2dq", (W Vx, Wx)), A1(T2, 0, "vcvttps2dq", (W Vx, Wx)), UD),
    [0x5c] = PS_PD_SS_SD("sub"), [0x5d] = PS_PD_SS_SD("min"), [0x5e] = PS_PD_SS_SD("div"), [0x5f] = PS_PD_SS_SD("max"),
    [0x60] = VI3("punpcklbw"), [0x61] = VI3("punpcklwd"), [0x62] = VI3("punpckldq"), [0x63] = VI3("packsswb"), [0x64] = VI3("pcmpgtb"),
    [0x65] = VI3("pcmpgtw"),
    [0x66] = VI3("pcmpgtd"), [0x67] = VI3("packuswb"), [0x68] = VI3("punpckhbw"), [0x69] = VI3("punpckhwd"), [0x6a] = VI3("punpckhdq"),
    [0x6b] = VI3("packssdw"),
    [0x6c] = VI3("punpcklqdq"), [0x6d] = VI3("punpckhqdq"),
    [0x6e] = P66(WG(A1(T5, R_L0, "vmovd", (W Vdq, Ey)), A1(T5, R_L0, "vmovq", (W Vdq, Ey)))),
    [0x6f] = PP(UD, A1(T1, 0, "vmovdqa", (W Vx, Wx)), A1(T4U, 0, "vmovdqu", (W Vx, Wx)), UD),
    [0x70] = PP(UD, VI(T4, 0, "vpshufd", (W Vx, Wx, Ib)), VI(T4, 0, "vpshufhw", (W Vx, Wx, Ib)), VI(T4, 0, "vpshuflw", (W Vx, Wx, Ib))),
    [0x71] = REGF(REG(UD, UD, VSHI("psrlw"), UD, VSHI("psraw"), UD, VSHI("psllw"), UD)),
    [0x72] = REGF(REG(UD, UD, VSHI("psrld"), UD, VSHI("psrad"), UD, VSHI("pslld"), UD)),
    [0x73] = REGF(REG(UD, UD, VSHI("psrlq"), VSHI("psrldq"), UD, UD, VSHI("psllq"), VSHI("pslldq"))),
    [0x74] = VI3("pcmpeqb"), [0x75] = VI3("pcmpeqw"), [0x76] = VI3("pcmpeqd"),
    [0x77] = NP(LV(VO(AVX, VZERO, 0, 0, "vzeroupper", (), ), VO(AVX, VZERO, 0, 0, "vzeroall", (), ))),
    [0x7c] = PP(UD, A1(T2, 0, "vhaddpd", X3), UD, A1(T2, 0, "vhaddps", X3)),
    [0x7d] = PP(UD, A1(T2, 0, "vhsubpd", X3), UD, A1(T2, 0, "vhsubps", X3)),
    [0x7e] = PP(UD, WG(A1(T5, R_L0, "vmovd", (W Ey, Vd)), A1(T5, R_L0, "vmovq", (W Ey, Vq))), A1(T5, R_L0, "vmovq", (W Vdq, Wq)), UD),
    [0x7f] = PP(UD, A1(T1, 0, "vmovdqa", (W Wx, Vx)), A1(T4U, 0, "vmovdqu", (W Wx, Vx)), UD),
    [0xae] = MEM(REG(UD, UD, NP(VO(AVX, LDMXCSR, 0, R_L0, "vldmxcsr", (Md), )),
                     NP(VO(AVX, STMXCSR, 0, R_L0, "vstmxcsr", (W Md), )), UD, UD, UD, UD)),
    [0xc2] = PP(A1(T2, 0, "vcmpps", (W Vx, Hx, Wx, Ib)), A1(T2, 0, "vcmppd", (W Vx, Hx, Wx, Ib)),
                A1(T3, 0, "vcmpss", (W Vdq, Hdq, Wd, Ib)), A1(T3, 0, "vcmpsd", (W Vdq, Hdq, Wq, Ib))),
    [0xc4] = P66(A1(T5, R_L0, "vpinsrw", (W Vdq, Hdq, EdMw, Ib))), [0xc5] = P66(A1(T5, R_L0, "vpextrw", (W Gd, Udq, Ib))),
    [0xc6] = PP(A1(T4, 0, "vshufps", (W Vx, Hx, Wx, Ib)), A1(T4, 0, "vshufpd", (W Vx, Hx, Wx, Ib)), UD, UD),
    [0xd0] = PP(UD, A1(T2, 0, "vaddsubpd", X3), UD, A1(T2, 0, "vaddsubps", X3)),
    [0xd1] = VIS("psrlw"), [0xd2] = VIS("psrld"), [0xd3] = VIS("psrlq"), [0xd4] = VI3("paddq"), [0xd5] = VI3("pmullw"),
    [0xd6] = P66(A1(T5, R_L0, "vmovq", (W Wq, Vq))),
    [0xd7] = P66(VI(T5, 0, "vpmovmskb", (W Gd, Ux))),
    [0xd8] = VI3("psubusb"), [0xd9] = VI3("psubusw"), [0xda] = VI3("pminub"), [0xdb] = VI3("pand"), [0xdc] = VI3("paddusb"),
    [0xdd] = VI3("paddusw"), [0xde] = VI3("pmaxub"),
    [0xdf] = VI3("pandn"), [0xe0] = VI3("pavgb"), [0xe1] = VIS("psraw"), [0xe2] = VIS("psrad"), [0xe3] = VI3("pavgw"),
    [0xe4] = VI3("pmulhuw"), [0xe5] = VI3("pmulhw"),
    [0xe6] = PP(UD, A1(T2, 0, "vcvttpd2dq", (W Vdq, Wx)), A1(T5, 0, "vcvtdq2pd", (W Vx, Wxh)), A1(T2, 0, "vcvtpd2dq", (W Vdq, Wx))),
    [0xe7] = P66(MEM(A1(T1, 0, "vmovntdq", (W Mx, Vx)))),
    [0xe8] = VI3("psubsb"), [0xe9] = VI3("psubsw"), [0xea] = VI3("pminsw"), [0xeb] = VI3("por"), [0xec] = VI3("paddsb"),
    [0xed] = VI3("paddsw"), [0xee] = VI3("pmaxsw"),
    [0xef] = VI3("pxor"), [0xf0] = PP(UD, UD, UD, MEM(A1(T4U, 0, "vlddqu", (W Vx, Mx)))),
    [0xf1] = VIS("psllw"), [0xf2] = VIS("pslld"), [0xf3] = VIS("psllq"), [0xf4] = VI3("pmuludq"), [0xf5] = VI3("pmaddwd"),
    [0xf6] = VI3("psadbw"),
    [0xf7] = P66(VO(AVX, MASKMOV, 0, R_L0, "vmaskmovdqu", (Vdq, Udq, W DIdq), GR(gDI))),
    [0xf8] = VI3("psubb"), [0xf9] = VI3("psubw"), [0xfa] = VI3("psubd"), [0xfb] = VI3("psubq"), [0xfc] = VI3("paddb"),
    [0xfd] = VI3("paddw"), [0xfe] = VI3("paddd"),
};

#define PMOV(mn, w)      P66(VI(T5, 0, "v" mn, (W Vx, w)))
#define FMA_P(mn)        P66(WV(V(FMA, T2, 0, "v" mn "ps", (RW Vx, Hx, Wx), ), V(FMA, T2, 0, "v" mn "pd", (RW Vx, Hx, Wx), )))
#define FMA_S(mn)        P66(WV(V(FMA, T3, 0, "v" mn "ss", (RW Vd, Hd, Wd), ), V(FMA, T3, 0, "v" mn "sd", (RW Vq, Hq, Wq), )))
#define FMA_SET(b, n)                                                                                                           \
    [b + 6] = FMA_P("fmaddsub" n), [b + 7] = FMA_P("fmsubadd" n), [b + 8] = FMA_P("fmadd" n), [b + 9] = FMA_S("fmadd" n),       \
    [b + 10] = FMA_P("fmsub" n), [b + 11] = FMA_S("fmsub" n), [b + 12] = FMA_P("fnmadd" n), [b + 13] = FMA_S("fnmadd" n),       \
    [b + 14] = FMA_P("fnmsub" n), [b + 15] = FMA_S("fnmsub" n)
#define VAESF(mn)        P66(LV(V2(AVX, AES, T4, 0, mn, X3), V2(AVX, VAES, T4, 0, mn, X3)))
#define MASKLD(f, mn, r) VO(f, VMASKMOV, 0, r, mn, (W Vx, Hx, Mx), )
#define MASKST(f, mn, r) VO(f, VMASKMOV, 0, r, mn, (W Mx, Hx, Vx), )
#define GATHER(mn, v, m, h) VO(AVX2, GATHER, INSN_VSIB, R_GATHER, mn, (RW v, m, RW h), )
/* General registers: no VEX state is asked for. */
#define B1(mn, opnds, ...)  H(BMI1, mn, INSN_NO_REAL, R_L0, opnds, __VA_ARGS__)
#define B2(mn, opnds, ...)  H(BMI2, mn, INSN_NO_REAL, R_L0, opnds, __VA_ARGS__)
#define BLS_FLAGS           FW(ZF | SF | CF | OF), FU(AF | PF)

const Node decode_vex_38[256] = {
    [0x00] = VI3("pshufb"), [0x01] = VI3("phaddw"), [0x02] = VI3("phaddd"), [0x03] = VI3("phaddsw"), [0x04] = VI3("pmaddubsw"),
    [0x05] = VI3("phsubw"),
    [0x06] = VI3("phsubd"), [0x07] = VI3("phsubsw"), [0x08] = VI3("psignb"), [0x09] = VI3("psignw"), [0x0a] = VI3("psignd"),
    [0x0b] = VI3("pmulhrsw"),
    [0x0c] = P66(A1(T4, R_W0, "vpermilps", X3)), [0x0d] = P66(A1(T4, R_W0, "vpermilpd", X3)),
    [0x0e] = P66(V(AVX, T4, R_W0, "vtestps", (Vx, Wx), FW(ARITH))), [0x0f] = P66(V(AVX, T4, R_W0, "vtestpd", (Vx, Wx), FW(ARITH))),
    [0x13] = P66(V(F16C, T3, R_W0, "vcvtph2ps", (W Vx, Wxh), )), [0x16] = P66(A2(T4, R_L1 | R_W0, "vpermps", (W Vqq, Hqq, Wqq))),
    [0x17] = P66(V(AVX, T4, 0, "vptest", (Vx, Wx), FW(ARITH))),
    [0x18] = P66(MOD(A1(T5, R_W0, "vbroadcastss", (W Vx, Md)), A2(T5, R_W0, "vbroadcastss", (W Vx, Ud)))),
    [0x19] = P66(MOD(A1(T5, R_W0 | R_L1, "vbroadcastsd", (W Vqq, Mq)), A2(T5, R_W0 | R_L1, "vbroadcastsd", (W Vqq, Uq)))),
    [0x1a] = P66(MEM(A1(T5, R_W0 | R_L1, "vbroadcastf128", (W Vqq, Mdq)))),
    [0x1c] = VI2("pabsb"), [0x1d] = VI2("pabsw"), [0x1e] = VI2("pabsd"),
    [0x20] = PMOV("pmovsxbw", Wxh), [0x21] = PMOV("pmovsxbd", Wxq), [0x22] = PMOV("pmovsxbq", Wxe), [0x23] = PMOV("pmovsxwd", Wxh),
    [0x24] = PMOV("pmovsxwq", Wxq),
    [0x25] = PMOV("pmovsxdq", Wxh), [0x28] = VI3("pmuldq"), [0x29] = VI3("pcmpeqq"), [0x2a] = P66(MEM(VI(T1, 0, "vmovntdqa", (W Vx, Mx)))),
    [0x2b] = VI3("packusdw"),
    [0x2c] = P66(MEM(MASKLD(AVX, "vmaskmovps", R_W0))), [0x2d] = P66(MEM(MASKLD(AVX, "vmaskmovpd", R_W0))),
    [0x2e] = P66(MEM(MASKST(AVX, "vmaskmovps", R_W0))), [0x2f] = P66(MEM(MASKST(AVX, "vmaskmovpd", R_W0))),
    [0x30] = PMOV("pmovzxbw", Wxh), [0x31] = PMOV("pmovzxbd", Wxq), [0x32] = PMOV("pmovzxbq", Wxe), [0x33] = PMOV("pmovzxwd", Wxh),
    [0x34] = PMOV("pmovzxwq", Wxq),
    [0x35] = PMOV("pmovzxdq", Wxh), [0x36] = P66(A2(T4, R_L1 | R_W0, "vpermd", (W Vqq, Hqq, Wqq))),
    [0x37] = VI3("pcmpgtq"), [0x38] = VI3("pminsb"), [0x39] = VI3("pminsd"), [0x3a] = VI3("pminuw"), [0x3b] = VI3("pminud"),
    [0x3c] = VI3("pmaxsb"), [0x3d] = VI3("pmaxsd"),
    [0x3e] = VI3("pmaxuw"), [0x3f] = VI3("pmaxud"), [0x40] = VI3("pmulld"), [0x41] = P66(A1(T4, R_L0, "vphminposuw", (W Vdq, Wdq))),
    [0x45] = P66(WV(A2(T4, 0, "vpsrlvd", X3), A2(T4, 0, "vpsrlvq", X3))), [0x46] = P66(A2(T4, R_W0, "vpsravd", X3)),
    [0x47] = P66(WV(A2(T4, 0, "vpsllvd", X3), A2(T4, 0, "vpsllvq", X3))),
    [0x58] = P66(A2(T5, R_W0, "vpbroadcastd", (W Vx, Wd))), [0x59] = P66(A2(T5, R_W0, "vpbroadcastq", (W Vx, Wq))),
    [0x5a] = P66(MEM(A2(T5, R_W0 | R_L1, "vbroadcasti128", (W Vqq, Mdq)))),
    [0x78] = P66(A2(T5, R_W0, "vpbroadcastb", (W Vx, Wb))), [0x79] = P66(A2(T5, R_W0, "vpbroadcastw", (W Vx, Ww))),
    [0x8c] = P66(MEM(WV(MASKLD(AVX2, "vpmaskmovd", 0), MASKLD(AVX2, "vpmaskmovq", 0)))),
    [0x8e] = P66(MEM(WV(MASKST(AVX2, "vpmaskmovd", 0), MASKST(AVX2, "vpmaskmovq", 0)))),
    [0x90] = P66(MEM(WV(GATHER("vpgatherdd", Vx, VXd, Hx), GATHER("vpgatherdq", Vx, VXq, Hx)))),
    [0x91] = P66(MEM(WV(GATHER("vpgatherqd", Vxh, VXd, Hxh), GATHER("vpgatherqq", Vx, VXq, Hx)))),
    [0x92] = P66(MEM(WV(GATHER("vgatherdps", Vx, VXd, Hx), GATHER("vgatherdpd", Vx, VXq, Hx)))),
    [0x93] = P66(MEM(WV(GATHER("vgatherqps", Vxh, VXd, Hxh), GATHER("vgatherqpd", Vx, VXq, Hx)))),
    FMA_SET(0x90, "132"), FMA_SET(0xa0, "213"), FMA_SET(0xb0, "231"),
    [0xcf] = P66(V2(GFNI, AVX, T4, R_W0, "vgf2p8mulb", X3)),
    [0xdb] = P66(V2(AVX, AES, T4, R_L0, "vaesimc", (W Vdq, Wdq))), [0xdc] = VAESF("vaesenc"), [0xdd] = VAESF("vaesenclast"),
    [0xde] = VAESF("vaesdec"), [0xdf] = VAESF("vaesdeclast"),
    [0xf2] = NP(B1("andn", (W Gy, By, Ey), FW(ZF | SF | CF | OF), FU(AF | PF))),
    [0xf3] = NP(REG(UD, B1("blsr", (W By, Ey), BLS_FLAGS), B1("blsmsk", (W By, Ey), BLS_FLAGS),
                    B1("blsi", (W By, Ey), BLS_FLAGS), UD, UD, UD, UD)),
    [0xf5] = PP(B2("bzhi", (W Gy, Ey, By), BLS_FLAGS), UD, B2("pext", (W Gy, By, Ey), ), B2("pdep", (W Gy, By, Ey), )),
    [0xf6] = PP(UD, UD, UD, B2("mulx", (W Gy, W By, Ey), GR(gDX))),
    [0xf7] = PP(B1("bextr", (W Gy, Ey, By), FW(ZF | CF | OF), FU(AF | SF | PF)), B2("shlx", (W Gy, Ey, By), ),
                B2("sarx", (W Gy, Ey, By), ), B2("shrx", (W Gy, Ey, By), )),
};

#define X3I              (W Vx, Hx, Wx, Ib)
#define X4               (W Vx, Hx, Wx, Lx)

const Node decode_vex_3a[256] = {
    [0x00] = P66(A2(T4, R_L1 | R_W1, "vpermq", (W Vqq, Wqq, Ib))), [0x01] = P66(A2(T4, R_L1 | R_W1, "vpermpd", (W Vqq, Wqq, Ib))),
    [0x02] = P66(A2(T4, R_W0, "vpblendd", X3I)), [0x04] = P66(A1(T4, R_W0, "vpermilps", (W Vx, Wx, Ib))),
    [0x05] = P66(A1(T4, R_W0, "vpermilpd", (W Vx, Wx, Ib))),
    [0x06] = P66(A1(T4, R_L1 | R_W0, "vperm2f128", (W Vqq, Hqq, Wqq, Ib))),
    [0x08] = P66(A1(T2, 0, "vroundps", (W Vx, Wx, Ib))), [0x09] = P66(A1(T2, 0, "vroundpd", (W Vx, Wx, Ib))),
    [0x0a] = P66(A1(T3, 0, "vroundss", (W Vdq, Hdq, Wd, Ib))), [0x0b] = P66(A1(T3, 0, "vroundsd", (W Vdq, Hdq, Wq, Ib))),
    [0x0c] = P66(A1(T4, 0, "vblendps", X3I)), [0x0d] = P66(A1(T4, 0, "vblendpd", X3I)), [0x0e] = P66(VI(T4, 0, "vpblendw", X3I)),
    [0x0f] = P66(VI(T4, 0, "vpalignr", X3I)),
    [0x14] = P66(A1(T5, R_L0, "vpextrb", (W EdMb, Vdq, Ib))), [0x15] = P66(A1(T5, R_L0, "vpextrw", (W EdMw, Vdq, Ib))),
    [0x16] = P66(WG(A1(T5, R_L0, "vpextrd", (W Ey, Vdq, Ib)), A1(T5, R_L0, "vpextrq", (W Ey, Vdq, Ib)))),
    [0x17] = P66(A1(T5, R_L0, "vextractps", (W Ed, Vdq, Ib))),
    [0x18] = P66(A1(T4U, R_L1 | R_W0, "vinsertf128", (W Vqq, Hqq, Wdq, Ib))),
    [0x19] = P66(A1(T4U, R_L1 | R_W0, "vextractf128", (W Wdq, Vqq, Ib))),
    [0x1d] = P66(V(F16C, T3, R_W0, "vcvtps2ph", (W Wxh, Vx, Ib), )),
    [0x20] = P66(A1(T5, R_L0, "vpinsrb", (W Vdq, Hdq, EdMb, Ib))),
    [0x21] = P66(MOD(A1(T5, R_L0, "vinsertps", (W Vdq, Hdq, Md, Ib)), A1(T5, R_L0, "vinsertps", (W Vdq, Hdq, Udq, Ib)))),
    [0x22] = P66(WG(A1(T5, R_L0, "vpinsrd", (W Vdq, Hdq, Ey, Ib)), A1(T5, R_L0, "vpinsrq", (W Vdq, Hdq, Ey, Ib)))),
    [0x38] = P66(A2(T4U, R_L1 | R_W0, "vinserti128", (W Vqq, Hqq, Wdq, Ib))),
    [0x39] = P66(A2(T4U, R_L1 | R_W0, "vextracti128", (W Wdq, Vqq, Ib))),
    [0x40] = P66(A1(T2, 0, "vdpps", X3I)), [0x41] = P66(A1(T2, R_L0, "vdppd", X3I)), [0x42] = P66(VI(T4, 0, "vmpsadbw", X3I)),
    [0x44] = P66(LV(V2(AVX, PCLMUL, T4, 0, "vpclmulqdq", X3I), V2(AVX, VPCLMUL, T4, 0, "vpclmulqdq", X3I))),
    [0x46] = P66(A2(T4, R_L1 | R_W0, "vperm2i128", (W Vqq, Hqq, Wqq, Ib))),
    [0x4a] = P66(A1(T4, R_W0, "vblendvps", X4)), [0x4b] = P66(A1(T4, R_W0, "vblendvpd", X4)), [0x4c] = P66(VI(T4, R_W0, "vpblendvb", X4)),
    [0x60] = P66(V(AVX, T4U, R_L0, "vpcmpestrm", (Vdq, Wdq, Ib), FW(ARITH), GR(gAX | gDX))),
    [0x61] = P66(V(AVX, T4U, R_L0, "vpcmpestri", (Vdq, Wdq, Ib), FW(ARITH), GR(gAX | gDX), GW(gCX))),
    [0x62] = P66(V(AVX, T4U, R_L0, "vpcmpistrm", (Vdq, Wdq, Ib), FW(ARITH))),
    [0x63] = P66(V(AVX, T4U, R_L0, "vpcmpistri", (Vdq, Wdq, Ib), FW(ARITH), GW(gCX))),
    [0xce] = P66(V2(GFNI, AVX, T4, R_W1, "vgf2p8affineqb", X3I)), [0xcf] = P66(V2(GFNI, AVX, T4, R_W1, "vgf2p8affineinvqb", X3I)),
    [0xdf] = P66(V2(AVX, AES, T4, R_L0, "vaeskeygenassist", (W Vdq, Wdq, Ib))),
    [0xf0] = PP(UD, UD, UD, B2("rorx", (W Gy, Ey, Ib), )),
};

const Node decode_evex = FORM("evex", OP_INVALID, EXEC_OP, INSN_AVX, FEAT_AVX512F, FEATURE_NONE, R_MODRM, (), );
const Node decode_evex_imm = FORM("evex", OP_INVALID, EXEC_OP, INSN_AVX, FEAT_AVX512F, FEATURE_NONE, R_MODRM | R_EVEX_IMM, (), );
