-- All lines of customers. A return is a negative line on the day it happened.
-- The numbers of customers were exported as numbers: 17850.0.
with invoice_lines as (
    select * from landed.invoice_lines
)

select
    invoice_no as order_id,
    _line as line_no,
    replace(customer_no, '.0', '') as customer_id,
    invoiced_at as ordered_at,
    stock_code as product_id,
    cast(quantity as decimal(18, 3)) as quantity,
    round_cents(quantity * unit_price) as net_amount,
    cast(null as decimal(18, 2)) as margin,
    cast(null as varchar) as channel,
    cast(null as varchar) as campaign_id
from invoice_lines
where customer_no is not null
