{{ config(alias='referrals') }}
-- Who recommended us to whom.
with referrals as (
    select * from {{ landed('referrals') }}
    qualify row_number() over (partition by referral_no order by delivered desc) = 1
)

select
    referral_no as referral_id,
    from_customer as referrer_id,
    to_customer as referred_id,
    referred_at,
    source,
    reward as reward_cost
from referrals
