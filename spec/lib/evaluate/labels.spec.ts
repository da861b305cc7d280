import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { matchClasses } from '../../../lib/evaluate/labels.ts';
import { imagenet1000 } from '../../../lib/labels/imagenet1000.ts';
import { cifar10, classNames } from '../../../lib/labels/labels.ts';
import { wordnet1000 } from '../../../lib/labels/wordnet1000.ts';
import { shared } from '../../support/shared.ts';

const match = (classes: readonly string[], names: readonly string[]) => matchClasses('data', classes, names);

describe('lib/evaluate/labels', () => {
  it('knows the 1000 WordNet ids of the shared list', function () {
    const list: { wnid: string }[] = JSON.parse(
      readFileSync(shared(this, 'labels/imagenet1000.json'), 'utf8'),
    );
    expect(wordnet1000).to.deep.equal(list.map(({ wnid }) => wnid));
  });

  it('finds a few folders called by WordNet id among the 1000', () => {
    const { to, by } = match(['n01440764', 'n02123045', 'n15075141'], imagenet1000);
    expect(by).to.equal('WordNet id');
    expect(to.map((k) => imagenet1000[k])).to.deep.equal(['tench', 'tabby', 'toilet tissue']);
  });

  it('finds folders by name, whatever their order, capitals and underscores', () => {
    expect(match(['Cat', 'TRUCK', 'airplane'], cifar10)).to.include({ by: 'name' });
    expect(match(['Cat', 'TRUCK', 'airplane'], cifar10).to).to.deep.equal([3, 9, 0]);
    const { to } = match(['great_white_shark', 'Gila-monster'], imagenet1000);
    expect(to.map((k) => imagenet1000[k])).to.deep.equal(['great white shark', 'Gila monster']);
  });

  it('goes by order where there are as many, and takes the data’s names where the network has none', () => {
    expect(match(['cat', 'dog'], classNames('torchvision', 2))).to.deep.equal({
      to: [0, 1],
      names: ['cat', 'dog'],
      by: 'order',
    });
    const other = [
      'avion',
      'auto',
      'bird',
      'chat',
      'cerf',
      'chien',
      'grenouille',
      'cheval',
      'bateau',
      'camion',
    ];
    expect(match(other, cifar10)).to.include({ by: 'order', names: cifar10 });
  });

  const refusal = (classes: readonly string[], names: readonly string[]): string => {
    try {
      match(classes, names);
    } catch (error) {
      expect(error).to.be.instanceOf(InputError);
      return (error as Error).message;
    }
    return 'accepted';
  };

  it('refuses an order that names contradict, a class that is unknown, and another count of classes', () => {
    const sorted = ['aeroplane', ...cifar10.slice(2), 'zebra'].sort();
    expect(refusal(sorted, cifar10)).to.match(
      /^data: the classes fit neither by name \('aeroplane' .*nor in order \('bird' is the network's class 2 and the data's 1\)/,
    );
    expect(refusal(['cat', 'dog', 'unicorn'], cifar10)).to.match(
      /^data: 3 classes \(cat, dog, unicorn\), but the network has 10, and 'unicorn' is the name of none/,
    );
    expect(refusal(['cat', 'dog'], classNames('torchvision', 7))).to.match(
      /2 classes .* the network has 7: /,
    );
    expect(refusal(['cat', 'Cat', 'dog'], cifar10)).to.match(/the network has 10/);
  });
});
