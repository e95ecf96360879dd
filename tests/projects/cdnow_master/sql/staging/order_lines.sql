-- Purchases. The file numbers neither orders nor lines: each of its lines is
-- an order of one line. Those of one day are one purchase further on.
with purchases as (
    select * from landed.purchases
)

select
    cast(_line as varchar) as order_id,
    cast(1 as bigint) as line_no,
    customer_no as customer_id,
    day_start(bought_on) as ordered_at,
    cast(null as varchar) as product_id,
    cast(cds as decimal(18, 3)) as quantity,
    dollars as net_amount,
    cast(null as decimal(18, 2)) as margin,
    cast(null as varchar) as channel,
    cast(null as varchar) as campaign_id
from purchases
