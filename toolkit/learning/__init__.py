"""The basics of learning networks (Burghoff, chapter 2), each piece small enough to be followed by hand.

    for placement in convolution.slide(image, kernel):
        print(placement.row, placement.column, placement.value)

==================  ===========================================================================
`fitting`           one hidden layer: what it can represent, overfitting and what stops it
`confusion`         the confusion matrix of two classes and its measures
`descent`           SGD, momentum, AdaGrad, RMSProp and Adam as formulas, racing
`backpropagation`   forward and backward through a network of five neurons, number by number
`convolution`       kernels and pooling windows that slide over an image, place by place
`depth`             gradients by layer in plain and residual stacks
`gallery`           images of a data set page by page, and how many there are of each class
==================  ===========================================================================
"""
