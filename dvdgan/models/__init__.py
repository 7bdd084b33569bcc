"""The networks of the paper, in torch alone.

Start with `generator` (G: paper 3, A.2, A.4) and `discriminators` (D_S and D_T: 3.1, A.2). They are
built from `conv_gru` (A.2), `residual` (BigGAN's blocks), `attention` (3.2), `conditional_norm`
(A.2, C), `tower` and `frame_encoder` (A.4), whose weights `spectral` normalises (A.3). `views` is
what the discriminators see, `latent` what G starts from, `architecture` every choice there is.
"""
