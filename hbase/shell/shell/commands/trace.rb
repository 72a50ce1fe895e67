# Found before the file of this name in the shell's jar, which needs a class that HBase 2.6 no longer has
# (org.apache.hadoop.hbase.trace.SpanReceiverHost), so that the shell would not start.
module Shell
  module Commands
    class Trace < Command
      def help
        'Tracing is not available in this version of HBase.'
      end

      def command(*)
        formatter.row(['tracing is not available'])
      end
    end
  end
end
