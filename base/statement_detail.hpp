#pragma once

#include <string>

namespace weir {

/// What few of the statements that are kept have: slow ones, failed ones, those with a trace.
struct StatementDetail {
    std::string text;        ///< with its literals; "" unless policy.log_parameters
    std::string parameters;  ///< of its Bind, as text; the same
    std::string message;     ///< of its error
    std::string trace_id;    ///< 32 hexadecimal digits of a traceparent; "" = none
    std::string span_id;     ///< 16
    std::string plan;        ///< EXPLAIN's JSON
};

}  // namespace weir
