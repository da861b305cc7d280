/** The ten classes of CIFAR-10, in the order of its labels. */
export const cifar10: readonly string[] = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];
