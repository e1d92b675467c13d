"""Six ideas behind network architectures (Zhao, section 2.6), each as small as it can be and with the one knob that matters.

    for sketch in network_ideas.learn("recurrence", knob=30):
        print(sketch.epoch, sketch.metrics)

All data are made up, apart from the digits that the variational autoencoder draws.

================  ============================================================  ===============================
idea              task                                                          knob
================  ============================================================  ===============================
`convolution`     fibres along or across?                                       size of the kernels
`recurrence`      remember the first of T numbers                               T
`attention`       find the marked one of T numbers                              T
`graphs`          is a source within three steps on the graph?                  rounds of messages
`autoencoder`     handwritten digits from two numbers                           weight β of the KL divergence
`adversaries`     points on eight clouds                                        discriminator steps
================  ============================================================  ===============================
"""

from toolkit.network_ideas.learning import IDEAS, Idea, Knob, Sketch, learn

__all__ = ["IDEAS", "Idea", "Knob", "Sketch", "learn"]
