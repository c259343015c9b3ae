"""The complete list of what a worker runs: each ties the blocks of a group to a kernel.

A task reads its group block by block, keeps one accumulator, and returns a
Mergeable. Nothing else crosses a task's border; raw rows never do.

========================  =====================================================
`survey.survey`           moments and a uniform sample
`convert.count_bad`       rows with NaN or infinity, block by block
`convert.scatter`         rows sorted into fragments, on their way to chunks
`convert.convert`         chunks written; moments and sample of what is in them
`coreset.coreset`         subtrees of coresets
`covariance.covariance`   products of features
`fit.lloyd`               counts and sums by cluster
`fit.step`                 sums, and distances by cluster, of a mini-batch
`fit.close`               inertia, counts and members of final centers
`fit.farthest`            rows farthest from their centers
`fit.oversample`          k-means|| draws
`spectral.affinities`     weights of landmarks
`spectral.products`       the graph as the landmarks see it
`spectral.embed`          embedded rows written
`bisect.split`            counts and sums of both sides of many splits
`bisect.close_splits`     inertia and counts of both sides of many splits
`bisect.pick`             rows of nodes, drawn or farthest, to begin splits
`use.predict`             labels written
`use.transform`           distances written
`use.score`               inertia
`judge.extent`            range of the data
`judge.members`           counts, sums and spread of the members of clusters
`judge.judge`             every measure, and clusters against classes
`judge.tabulate`          clusters against classes alone
`members.pick`            nearest, farthest or drawn members of clusters
========================  =====================================================
"""
