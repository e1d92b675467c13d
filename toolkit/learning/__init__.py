"""The basics of learning networks (Burghoff, chapter 2), each piece small enough to be followed by hand.

    for placement in convolution.slide(image, kernel):
        print(placement.row, placement.column, placement.value)

==================  ===========================================================================
`convolution`       kernels and pooling windows that slide over an image, place by place
`depth`             gradients by layer in plain and residual stacks
`gallery`           images of a data set page by page, and how many there are of each class
==================  ===========================================================================
"""
