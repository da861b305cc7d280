"""
Networks as PyTorch modules, run with hooks: reads jobs as JSON, one a line, and writes each one's values as .npz.

{"layers": [...], "weights": "w.npz", "input": "x.npy", "out": "values.npz", "fault": ["conv2", "groups swapped"],
 "store": "float16", "copy": false, "layout": "NHWC", "keep": ["conv1", ...]}
"""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
# weights are copied in: none are drawn first
nn.Linear.reset_parameters = nn.Conv2d.reset_parameters = lambda self: None


class Function(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def conv2d(layer, w):
    a = layer['attributes']
    top, left, bottom, right = a['pad']
    out, channels = w[f"{layer['name']}.weight"].shape[:2]
    conv = nn.Conv2d(channels * a['groups'], out, layer['kernel'], tuple(a['stride']), groups=a['groups'])
    if (top, left) == (bottom, right):
        conv.padding = (top, left)
        return conv
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


def pool(layer, kind):
    a = layer['attributes']
    top, left, bottom, right = a['pad']
    assert (top, left) == (bottom, right)
    return kind(tuple(a['kernel']), tuple(a['stride']), (top, left), ceil_mode=a['rounding'] != 'floor')


def module_of(layer, w, inplace):
    kind, a = layer['kind'], layer.get('attributes', {})
    if kind == 'conv2d':
        return conv2d(layer, w)
    if kind == 'linear':
        out, inputs = w[f"{layer['name']}.weight"].shape
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, out))
    if kind == 'relu':
        return nn.ReLU(inplace=inplace)
    if kind == 'tanh':
        return nn.Tanh()
    if kind == 'lrn':
        alpha = a['alpha'] if a['divide'] else a['alpha'] * a['size']
        return nn.LocalResponseNorm(a['size'], alpha, a['beta'], a['k'])
    if kind == 'maxpool':
        return pool(layer, nn.MaxPool2d)
    if kind == 'adaptiveavgpool':
        return nn.AdaptiveAvgPool2d(tuple(a['size']))
    if kind == 'flatten':
        return nn.Flatten()
    if kind == 'dropout':
        return Function(lambda x: x * (1 - a['ratio'])) if a['convention'] == 'paper' else nn.Dropout(a['ratio'])
    if kind == 'softmax':
        return nn.Softmax(dim=1)
    raise ValueError(kind)


def weighted(module):
    return next((m for m in module.modules() if hasattr(m, 'weight')), None)


def swap_halves(t, dim=0):
    a, b = t.chunk(2, dim)
    return torch.cat([b, a], dim)


def plant(module, layer, fault):
    """The same module with one mistake."""
    inner = weighted(module)
    a = layer.get('attributes', {})
    with torch.no_grad():
        if fault == 'bias forgotten':
            inner.bias.zero_()
        elif fault == 'bias twice':
            inner.bias *= 2
        elif fault == 'groups swapped':
            inner.weight.copy_(swap_halves(inner.weight))
        elif fault == 'kernel flipped':
            inner.weight.copy_(inner.weight.flip(2, 3).clone())
        elif fault == 'kernel transposed':
            inner.weight.copy_(inner.weight.transpose(2, 3).clone())
        elif fault == 'edges repeated':
            inner.padding_mode = 'replicate'
            inner._reversed_padding_repeated_twice = [p for p in inner.padding[::-1] for _ in range(2)]
        elif fault == 'one channel short':
            inner.weight[:, -1] = 0
        elif fault == 'one kernel off':
            inner.weight[1] *= 1.001
        elif fault == 'half the digits':
            inner.weight.copy_(inner.weight.half().float())
        elif fault == 'alpha not divided':
            module.alpha *= module.size
        elif fault == 'k 1':
            module.k = 1 if module.k != 1 else 2
        elif fault == 'beta':
            module.beta = 0.5
        elif fault == 'size 3':
            module.size = 3
        elif fault == 'average':
            return nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
        elif fault == 'leaky':
            return nn.LeakyReLU(0.01)
        elif fault == 'mapped to 6':
            return nn.ReLU6()
        elif fault == 'H,W,C':
            maps = layer['maps']
            return nn.Sequential(Function(lambda x: x.reshape(-1, *maps).permute(0, 2, 3, 1).flatten(1)), *module[1:])
        elif fault == 'training':
            return Function(lambda x: F.dropout(x, 0.5, training=True))
        elif fault == 'not scaled':
            return nn.Identity()
        elif fault == 'logarithm':
            return nn.LogSoftmax(dim=1)
        else:
            raise ValueError(fault)
    return module


def run(job):
    w = {name: torch.from_numpy(v) for name, v in np.load(job['weights']).items()}
    x = torch.from_numpy(np.load(job['input']))
    modules = nn.Sequential()
    for layer in job['layers']:
        module = module_of(layer, w, job.get('inplace', False))
        inner = weighted(module)
        if inner is not None:
            with torch.no_grad():
                inner.weight.copy_(w[f"{layer['name']}.weight"])
                inner.bias.copy_(w[f"{layer['name']}.bias"])
        name, fault = job.get('fault') or (None, None)
        modules.add_module(layer['name'], plant(module, layer, fault) if layer['name'] == name else module)
    modules.eval()
    # the ten lines of docs/other-engines.md
    values = {}
    copy = job.get('copy', True)
    for name, module in modules.named_children():
        module.register_forward_hook(
            lambda _module, _inputs, y, name=name: values.__setitem__(name, y.detach().clone() if copy else y.detach())
        )
    if 'labels' in job:
        return train(job, modules, x, values)
    with torch.no_grad():
        modules(x)
    save(job, {name: y for name, y in values.items() if name in job.get('keep', values)})


def train(job, modules, x, values):
    """Forward, back and one step of SGD with momentum and decay: every value, gradient and parameter."""
    y = x.clone().requires_grad_()
    tops = []
    for name, module in modules.named_children():
        y = module(y)
        y.retain_grad()
        tops.append((name, y))
    loss = F.cross_entropy(y, torch.tensor(job['labels']))
    loss.backward()
    values['loss'] = loss.detach()
    for name, top in tops:
        values[f'd{name}'] = top.grad
    sgd = torch.optim.SGD(modules.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    for name, p in modules.named_parameters():
        values[f'{layer_of(name)}.grad'] = p.grad.clone() * job.get('scale', {}).get(layer_of(name), 1)
    sgd.step()
    for name, p in modules.named_parameters():
        values[f'step1/{layer_of(name)}'] = p.detach()
        values[f'step1/{layer_of(name)}.velocity'] = sgd.state[p]['momentum_buffer']
    save(job, {name: y for name, y in values.items() if name in job.get('keep', values)})


def layer_of(parameter):
    """fc6.1.weight is fc6.weight."""
    parts = parameter.split('.')
    return f'{parts[0]}.{parts[-1]}'


def save(job, values):
    store = job.get('store', 'float32')
    arrays = {}
    for name, y in values.items():
        if job.get('layout') == 'NHWC' and y.dim() == 4:
            y = y.permute(0, 2, 3, 1).contiguous()
        arrays[job.get('names', {}).get(name, name)] = y.to(getattr(torch, store)) if store != 'bfloat16' else y
    if store != 'bfloat16':
        np.savez(job['out'], **{name: y.numpy() for name, y in arrays.items()})
        return
    torch.save({name: y.bfloat16() for name, y in arrays.items()}, job['out'])


for line in sys.stdin:
    torch.manual_seed(0)
    run(json.loads(line))
