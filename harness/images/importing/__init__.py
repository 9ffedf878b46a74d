"""Import of images, in whatever form people have them, into stores (`harness.images.stores`)."""
