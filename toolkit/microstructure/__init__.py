"""Porous membranes: generated, described, encoded, designed back (Zhao, section 4.2 and appendices A and B).

    from toolkit.microstructure.generator import voronoi_membrane
    from toolkit.microstructure.tortuosity import tortuosity

    membrane = voronoi_membrane(100, (1, 0.6, 1), size=64)
    tortuosity(membrane == 0, axis=(0, 1, 2)).tau

============================  ==========================================================================
`generator`                   ligaments along Voronoi edges
`voronoi`, `ligaments`        the edges, and the voxels around them
`descriptors`                 porosity, specific surface, two-point correlation, pore sizes
`tortuosity`                  tortuosity factors, batched over volumes and axes
`flow`, `lattice`,            the equations behind it, solved step by step, conductances between voxels,
`multigrid`, `percolation`    their coarse versions, and which pores reach through
`watching`                    the same as records, for panels
`structures`                  data sets of random membranes, as shares of material
`autoencoder`, `latent`       the variational autoencoder and the analysis of its latent space
`inverse`, `transfer`         recipes recovered from a structure; tortuosity predicted from latent variables
`memory`                      whether something fits
============================  ==========================================================================
"""
