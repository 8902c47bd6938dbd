"""What the integration tests stand on: real servers, real drivers, a raw wire client and a fault gate."""
