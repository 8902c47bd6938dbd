#include "net/own_networks.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>

namespace weir::net {

namespace {

void copy_address(const sockaddr* from, std::array<std::uint8_t, 16>& into) {
    if (from->sa_family == AF_INET) {
        std::memcpy(
            into.data(), &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, sizeof(in_addr));
    } else {
        std::memcpy(
            into.data(), &reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr, sizeof(in6_addr));
    }
}

}  // namespace

std::vector<OwnNetwork> own_networks() {
    std::vector<OwnNetwork> networks;
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) {
        return networks;
    }
    for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
        const sockaddr* address = at->ifa_addr;
        if (address == nullptr || at->ifa_netmask == nullptr ||
            (address->sa_family != AF_INET && address->sa_family != AF_INET6)) {
            continue;
        }
        OwnNetwork network;
        network.is_v6 = address->sa_family == AF_INET6;
        copy_address(address, network.address);
        copy_address(at->ifa_netmask, network.mask);
        networks.push_back(network);
    }
    ::freeifaddrs(first);
    return networks;
}

}  // namespace weir::net
