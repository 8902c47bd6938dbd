#include "conf/hba_file.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace weir::conf {

namespace {

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr unsigned kByteBits = 8;

bool parse_numeric(const std::string& text, bool& is_v6, std::array<std::uint8_t, 16>& bytes) {
    is_v6 = false;
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
        return true;
    }
    is_v6 = true;
    return ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

std::array<std::uint8_t, 16> mask_of(unsigned bits) {
    std::array<std::uint8_t, 16> mask{};
    for (std::uint8_t& byte : mask) {
        const unsigned here = std::min(bits, kByteBits);
        byte = static_cast<std::uint8_t>(0xffU << (kByteBits - here));
        bits -= here;
    }
    return mask;
}

/// @return whether the ones of a mask all come before its zeros
bool is_contiguous(const std::array<std::uint8_t, 16>& mask, bool is_v6) {
    const unsigned all = is_v6 ? kV6Bits : kV4Bits;
    for (unsigned bits = 0; bits <= all; ++bits) {
        if (mask == mask_of(bits)) {
            return true;
        }
    }
    return false;
}

Parsed<HbaAddress> with_prefix(HbaAddress address, std::string_view digits) {
    const auto bits = parse_digits(digits);
    const unsigned most = address.network.is_v6 ? kV6Bits : kV4Bits;
    if (!bits || *bits > most) {
        return Parsed<HbaAddress>::bad("has no prefix length of 0 to " + std::to_string(most));
    }
    address.network.mask = mask_of(static_cast<unsigned>(*bits));
    return Parsed<HbaAddress>::good(address);
}

Parsed<HbaAddress> with_mask(HbaAddress address, const Word* mask) {
    if (mask == nullptr) {
        return Parsed<HbaAddress>::bad(
            "has no mask; accepted: address/prefix, or the mask in the next column");
    }
    bool is_v6 = false;
    if (!parse_numeric(mask->text, is_v6, address.network.mask) || is_v6 != address.network.is_v6 ||
        !is_contiguous(address.network.mask, is_v6)) {
        return Parsed<HbaAddress>::bad("has \"" + mask->text +
                                       "\" behind it, which is no mask for it");
    }
    return Parsed<HbaAddress>::good(address);
}

}  // namespace

Parsed<HbaAddress> parse_hba_address(const Word& word, const Word* mask) {
    if (word.is("all")) {
        return Parsed<HbaAddress>::good({HbaAddress::Kind::All});
    }
    if (word.is("samehost")) {
        return Parsed<HbaAddress>::good({HbaAddress::Kind::SameHost});
    }
    if (word.is("samenet")) {
        return Parsed<HbaAddress>::good({HbaAddress::Kind::SameNet});
    }
    HbaAddress address{HbaAddress::Kind::Network};
    const std::size_t slash = word.text.find('/');
    if (!parse_numeric(
            word.text.substr(0, slash), address.network.is_v6, address.network.address)) {
        return Parsed<HbaAddress>::bad(
            "is no address; accepted: all, samehost, samenet, a numeric address with /prefix or a "
            "mask (host names are not supported: a login would have to wait for, and trust, DNS)");
    }
    return slash == std::string::npos ? with_mask(address, mask)
                                      : with_prefix(address, word.text.substr(slash + 1));
}

}  // namespace weir::conf
