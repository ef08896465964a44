"""The SIREN family: one small network of sine layers for a picture (Sitzmann et al. 2020)."""
