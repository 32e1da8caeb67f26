"""The store drivers of Incumbent, and the seam that they implement."""
