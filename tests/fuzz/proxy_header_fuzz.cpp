// What a load balancer says before a client's first bytes.

#include "protocol/proxy_header.hpp"

#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace weir::protocol;

using weir::ByteView;
using weir::fuzz::exact_copy;
using weir::fuzz::require;

void check_complete(const ProxyHeader& header, ByteView bytes) {
    require(header.size >= 16 && header.size <= kMaxProxyHeaderBytes &&
            header.size <= bytes.size());
    require(header.has_address != header.address.empty());
    // One byte less must be waited for; more does not matter.
    const auto shorter = read_proxy_header(exact_copy(bytes.first(header.size - 1)));
    require(shorter.status == FrameStatus::NeedMore);
    const auto exact = read_proxy_header(exact_copy(bytes.first(header.size)));
    require(exact.status == FrameStatus::Complete && exact.header.address == header.address &&
            exact.header.port == header.port);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes = weir::fuzz::input(data, size);
    const ProxyHeaderResult result = read_proxy_header(exact_copy(bytes));
    switch (result.status) {
        case FrameStatus::Complete: check_complete(result.header, bytes); break;
        case FrameStatus::NeedMore: require(bytes.size() < kMaxProxyHeaderBytes); break;
        case FrameStatus::Invalid: require(!bytes.empty()); break;
    }
    return 0;
}
