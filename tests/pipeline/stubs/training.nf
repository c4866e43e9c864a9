// TRAIN on the files of the launch folder that are named *.latents.h5mu.
include { TRAIN } from '@PROJECT@/modules/train'

workflow {
    latents_ch = channel.fromPath('*.latents.h5mu').map { latents -> [[id: 'any.seed1', dataset: latents.simpleName, method: 'any', seed: 1], latents, [], [], [], [settings: [], preset: '', environment: '', gpu: true, processes: 1, nodes: 1]] }
    TRAIN(latents_ch, 'cpu', '', 'code')
}
